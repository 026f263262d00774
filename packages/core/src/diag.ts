/** Where warnings of the library go. There is no default output. */
export interface Diag {
  warn(message: string): void;
  error(message: string): void;
}

const MAX_KEYS = 1000;
const SILENT: Diag = { warn() {}, error() {} };
const warned = /* @__PURE__ */ new WeakMap<Diag, Set<string>>();
let current = SILENT;

/** Sets where warnings go, for every package that is not given a diag of its own. Without argument: nowhere. */
export function setDiag(to: Diag = SILENT): void {
  current = to;
}

/** The diag that was set, else a silent one. */
export function diag(): Diag {
  return current;
}

/** Tells a diag the first time that it sees a key, for up to 1,000 keys. What the diag throws stays here. */
export function warnOnce(key: string, message: string, to: Diag = current): void {
  let keys = warned.get(to);
  if (!keys) warned.set(to, (keys = new Set()));
  if (keys.has(key) || keys.size >= MAX_KEYS) return;
  keys.add(key);
  try {
    to.warn(message);
  } catch {
    // A warning is not worth a request.
  }
}
