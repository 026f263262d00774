/** The process environment, or a stand-in for it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Told about settings that cannot be honoured, in a sentence. */
export type Warn = (message: string) => void;

/** The value without surrounding space; an empty variable counts as unset. */
export function textOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === "" ? undefined : value;
}

/** The items of a comma list, without empty ones and repetitions. */
export function listOf(env: Environment, name: string): string[] | undefined {
  const value = textOf(env, name);
  if (value === undefined) return undefined;
  return [...new Set(value.split(",").map((item) => item.trim()))].filter((item) => item !== "");
}

/**
 * `true` for `true`, `false` for `false` or nothing. Anything else is false, with a warning.
 * See {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#boolean-value}
 */
export function isOn(env: Environment, name: string, warn: Warn): boolean {
  const value = textOf(env, name)?.toLowerCase();
  if (value !== undefined && value !== "true" && value !== "false")
    warn(`${name} is neither true nor false; it counts as false.`);
  return value === "true";
}

/** A finite number, or nothing with a warning. */
export function numberOf(env: Environment, name: string, warn: Warn): number | undefined {
  const value = textOf(env, name);
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (Number.isFinite(parsed)) return parsed;
  warn(`${name} is not a number and was ignored.`);
  return undefined;
}
