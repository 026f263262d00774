import { readBody } from "./body.ts";
import type { OtlpExporterOptions, Target } from "./options.ts";
import { parseRetryAfter } from "./retry-after.ts";
import type { ExportReply, Serializer } from "./serializer.ts";

/** `OTel-OTLP-Exporter-…` is the form that the specification asks for; a distribution puts itself in front. */
const USER_AGENT = "botanu-js/0.1.0 OTel-OTLP-Exporter-JavaScript/0.1.0";

/** The time limit of one `send`: a signal for those who look at it, and a promise for those who do not. */
export interface Limit {
  readonly signal: AbortSignal;
  readonly expired: Promise<undefined>;
}

/** One encoded request. */
export interface Payload {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly encoding: string | undefined;
}

/** How one request went. Without a status there was no answer. */
export interface Answer extends Partial<ExportReply> {
  readonly status?: number | undefined;
  readonly ok?: boolean | undefined;
  readonly oversized?: boolean | undefined;
  /** Milliseconds. */
  readonly retryAfter?: number | undefined;
}

/** What every request of an exporter shares. */
export interface Route {
  readonly options: OtlpExporterOptions;
  readonly target: Target;
  readonly serializer: Serializer;
  readonly warn: (key: string, message: string) => void;
}

/** Makes one request. Never throws: without an answer the message is a code, since texts of errors may repeat the URL. */
export async function post(route: Route, { bytes, encoding }: Payload, limit: Limit, now: number): Promise<Answer> {
  const { options, target, serializer } = route;
  try {
    const headers = await headersOf(route, limit);
    if (limit.signal.aborted) return {};
    const secrets = [...headers.values()];
    if (!headers.has("user-agent")) headers.set("user-agent", USER_AGENT);
    headers.set("content-type", serializer.contentType);
    headers.delete("content-encoding");
    if (encoding) headers.set("content-encoding", encoding);
    const request = unpatched(options.fetch ?? globalThis.fetch);
    const response = await Promise.race([
      request(target.url, { method: "POST", headers, body: bytes, redirect: "manual", signal: limit.signal }),
      limit.expired,
    ]);
    if (!response) return {};
    const body = await readBody(response, options.maxResponseBytes ?? 4 << 20, limit.expired);
    return {
      status: response.status,
      ok: response.ok,
      oversized: !body,
      retryAfter: parseRetryAfter(response.headers.get("retry-after"), now),
      ...(body && readReply(serializer, body, secrets)),
    };
  } catch (error) {
    const { code, cause, name } = Object(error) as { code?: unknown; cause?: { code?: unknown }; name?: unknown };
    return { message: `${cause?.code ?? code ?? name}` };
  }
}

/** The fetch under an instrumentation that wrapped it: an export must not be traced and exported in turn. */
function unpatched(request: typeof fetch & { __original?: typeof fetch }): typeof fetch {
  return request.__original ?? request;
}

async function headersOf({ options, target, warn }: Route, limit: Limit): Promise<Headers> {
  const source = options.headers;
  const headers = new Headers(await Promise.race([typeof source === "function" ? source() : source, limit.expired]));
  if (target.authorization && !headers.has("authorization")) headers.set("authorization", target.authorization);
  if (target.exposed && headers.has("authorization")) warn("http", "OTLP Authorization goes over plain http");
  return headers;
}

function readReply(serializer: Serializer, body: Uint8Array, secrets: readonly string[]): Partial<ExportReply> {
  try {
    const { rejectedSpans, message } = serializer.parseReply(body);
    // A receiver may repeat what it was sent.
    const text = secrets.reduce((rest, secret) => rest.replaceAll(secret.replace(/^\w+ /, "") || rest, "***"), message);
    return { rejectedSpans, message: text.replace(/\p{Cc}+/gu, " ").slice(0, 200) };
  } catch {
    return {};
  }
}
