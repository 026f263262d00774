import type { OtlpExporterOptions } from "./options.ts";

/** Environment variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "OTEL_EXPORTER_OTLP_";
const FILES = ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"];

/**
 * Reads the exporter's environment variables. The one for traces wins over the general one; headers of both are merged. An empty
 * variable is an unset one. What cannot be read or cannot be honoured by `fetch` is reported to `warn` by its name, never by its value.
 *
 * The protocol chooses a serialiser, which this module does not load: read it with {@link otlpProtocolFromEnv}.
 *
 * @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
export function otlpOptionsFromEnv(
  env: Environment,
  warn: (message: string) => void = () => undefined,
): OtlpExporterOptions {
  for (const name of FILES) {
    const variable = nameOf(env, name);
    if (variable !== undefined) warn(`${variable} cannot be honoured by fetch: give the exporter a fetch that uses it`);
  }
  const options: { -readonly [Key in keyof OtlpExporterOptions]: OtlpExporterOptions[Key] } = {};
  const exact = valueOf(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const base = valueOf(env, "OTEL_EXPORTER_OTLP_ENDPOINT");
  if (exact !== undefined && isUrl("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", exact, warn)) options.url = exact;
  else if (base !== undefined && isUrl("OTEL_EXPORTER_OTLP_ENDPOINT", base, warn)) options.endpoint = base;
  const headers = { ...headersOf(env, `${PREFIX}HEADERS`, warn), ...headersOf(env, `${PREFIX}TRACES_HEADERS`, warn) };
  if (Object.keys(headers).length > 0) options.headers = headers;
  const compression = compressionOf(env, warn);
  if (compression !== undefined) options.compression = compression;
  const timeoutMillis = timeoutOf(env, warn);
  if (timeoutMillis !== undefined) options.timeoutMillis = timeoutMillis;
  return options;
}

/**
 * The encoding that the environment asks for; `http/protobuf` where it asks for none. `fetch` cannot speak gRPC: that is reported, and
 * the default is used.
 *
 * @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specify-protocol
 */
export function otlpProtocolFromEnv(
  env: Environment,
  warn: (message: string) => void = () => undefined,
): "http/json" | "http/protobuf" {
  const variable = nameOf(env, "PROTOCOL");
  const protocol = variable === undefined ? undefined : valueOf(env, variable)?.toLowerCase();
  if (protocol === "http/json") return protocol;
  if (protocol !== undefined && protocol !== "http/protobuf")
    warn(`${variable}: only http/json and http/protobuf are spoken here, http/protobuf is used`);
  return "http/protobuf";
}

/** The variable that is set: the one for traces before the general one. */
function nameOf(env: Environment, suffix: string): string | undefined {
  return [`${PREFIX}TRACES_${suffix}`, PREFIX + suffix].find((name) => valueOf(env, name) !== undefined);
}

function valueOf(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** A wrong URL is reported without its text, which may carry a password. */
function isUrl(name: string, text: string, warn: (message: string) => void): boolean {
  const valid = URL.canParse(text) && /^https?:/i.test(text);
  if (!valid) warn(`${name} is not an http or https URL`);
  return valid;
}

/** `k=v` pairs between commas, values percent-encoded. A stray percent sign is a percent sign. */
function headersOf(env: Environment, name: string, warn: (message: string) => void): Record<string, string> {
  const headers = new Map<string, string>();
  for (const pair of valueOf(env, name)?.split(",") ?? []) {
    if (pair.trim() === "") continue;
    const equals = pair.indexOf("=");
    const key = pair.slice(0, Math.max(0, equals)).trim();
    const value = percentDecode(pair.slice(equals + 1).trim());
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(key) && !/[\0\r\n]/.test(value)) headers.set(key, value);
    else warn(`${name} has a member that is no header; it is left out`);
  }
  return Object.fromEntries(headers);
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function compressionOf(env: Environment, warn: (message: string) => void): "gzip" | "none" | undefined {
  const variable = nameOf(env, "COMPRESSION");
  if (variable === undefined) return undefined;
  const compression = valueOf(env, variable)?.toLowerCase();
  if (compression === "gzip" || compression === "none") return compression;
  warn(`${variable} is neither gzip nor none and is ignored`);
  return undefined;
}

function timeoutOf(env: Environment, warn: (message: string) => void): number | undefined {
  const variable = nameOf(env, "TIMEOUT");
  if (variable === undefined) return undefined;
  const millis = Number(valueOf(env, variable));
  if (Number.isFinite(millis) && millis >= 0) return millis;
  warn(`${variable} is not a number of milliseconds and is ignored`);
  return undefined;
}
