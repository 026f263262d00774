/** Whether run context from a source is believed: for all sources, for none, or as a predicate says. */
export type Trust<S> = boolean | ((source: S) => boolean);

/** Applies a trust rule. A predicate that throws, or answers anything but true, does not trust. */
export function isTrusted<S>(trust: Trust<S> | undefined, source: S, fallback: boolean): boolean {
  if (typeof trust !== "function") return trust ?? fallback;
  try {
    return trust(source) === true;
  } catch {
    return false;
  }
}
