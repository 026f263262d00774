import { readBody } from "./body.ts";
import type { HeaderRecord, OtlpExporterOptions, Target } from "./options.ts";
import { parseRetryAfter } from "./retry-after.ts";
import type { ExportReply, Serializer } from "./serializer.ts";

/** `OTel-OTLP-Exporter-…` is the form that the specification asks for; a distribution puts itself in front. */
const USER_AGENT = "botanu-js/0.1.0 OTel-OTLP-Exporter-JavaScript/0.1.0";

/** The time limit of one `send`. */
export interface Limit {
  readonly signal: AbortSignal;
  /** Ends the reading of a body; there while one is read. */
  stop?: (() => void) | undefined;
}

/** How one request went. Without a status there was no answer. */
export interface Answer extends Partial<ExportReply> {
  readonly status?: number | undefined;
  readonly oversized?: boolean | undefined;
  /** Milliseconds. */
  readonly retryAfter?: number | undefined;
}

/** What every request of an exporter shares. */
export interface Route {
  readonly options: OtlpExporterOptions;
  readonly target: Target;
  readonly serializer: Serializer;
  /** Made once, unless the options have a function for them. */
  readonly headers: HeaderRecord | undefined;
  readonly warn: (key: string, message: string) => void;
}

/** Makes one request. Never throws: without an answer the message is a code, since texts of errors may repeat the URL. */
export async function post(
  route: Route,
  body: Uint8Array<ArrayBuffer>,
  compressed: boolean,
  limit: Limit,
  now: number,
): Promise<Answer> {
  const { options, target, serializer, warn } = route;
  try {
    const made =
      route.headers ?? createHeaders(target, serializer, await (options.headers as () => Promise<HeaderRecord>)());
    // A copy, since whoever wraps `fetch` may add to it.
    const headers: Record<string, string> = { ...made };
    if (target.exposed && headers["authorization"]) warn("http", "OTLP Authorization goes over plain http");
    if (compressed) headers["content-encoding"] = "gzip";
    const { signal } = limit;
    if (signal.aborted) return {};
    const request = unpatched(options.fetch ?? globalThis.fetch);
    const response = await request(target.url, { method: "POST", headers, body, redirect: "manual", signal });
    const reply = await readBody(response, options.maxResponseBytes ?? 4 << 20, limit);
    return {
      status: response.status,
      oversized: !reply,
      retryAfter: parseRetryAfter(response.headers.get("retry-after"), now),
      ...(reply && readReply(serializer, reply, headers)),
    };
  } catch (error) {
    const { code, cause, name } = Object(error) as { code?: unknown; cause?: { code?: unknown }; name?: unknown };
    return { message: String(cause?.code ?? code ?? name) };
  }
}

/** The fetch under an instrumentation that wrapped it: an export must not be traced and exported in turn. */
function unpatched(request: typeof fetch & { __original?: typeof fetch }): typeof fetch {
  return request.__original ?? request;
}

const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** What a field may hold, as one character to a byte. */
const VALUE = /^[\t -~\x80-\xff]*$/;

/**
 * The headers of every request, by lower-case names. Throws on what is no header. Without `Headers`, which some hosts load at the first use,
 * for more time than they take to start.
 */
export function createHeaders(
  { authorization }: Target,
  { contentType }: Serializer,
  given: HeaderRecord = {},
): HeaderRecord {
  const headers: Record<string, string> = { "user-agent": USER_AGENT };
  if (authorization) headers["authorization"] = authorization;
  for (const name of Object.keys(given)) {
    const value = String(given[name]).trim();
    if (!NAME.test(name) || !VALUE.test(value)) throw new TypeError("no header");
    headers[name.toLowerCase()] = value;
  }
  delete headers["content-encoding"];
  headers["content-type"] = contentType;
  return headers;
}

function readReply(serializer: Serializer, body: Uint8Array, headers: HeaderRecord): Partial<ExportReply> {
  try {
    const reply = serializer.parseReply(body);
    let { message } = reply;
    // A receiver may repeat what it was sent.
    if (message)
      for (const name in headers) {
        const secret = headers[name]?.replace(/^\w+ /, "");
        if (secret && !/^(user-agent|content-.*)$/.test(name)) message = message.replaceAll(secret, "***");
      }
    return { rejectedSpans: reply.rejectedSpans, message: message.replace(/\p{Cc}+/gu, " ").slice(0, 200) };
  } catch {
    return {};
  }
}
