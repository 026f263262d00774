import {
  activeContext,
  BAGGAGE,
  type Carrier,
  type Context,
  createDestinationPolicy,
  CUSTOMER_ID_HEADER,
  type DestinationOptions,
  type DestinationPolicy,
  EVENT_ID_HEADER,
  getForeignBaggage,
  getRun,
  inject,
  RUN_ID_HEADER,
  TRACEPARENT,
  TRACESTATE,
  withContext,
  WORKFLOW_HEADER,
} from "@botanu/core";
import { errorType, getScope, recordFailure } from "./failure.ts";
import { redactQuery, serverSpanName } from "./http.ts";
import { SUPPRESS_KEY } from "./processors.ts";
import { describeRequest, followRedirect, type OutgoingRequest } from "./redirect.ts";
import { activeTracer } from "./tracer.ts";
import { type Attributes, type BotanuTracer, type Span, SpanKind, SpanStatusCode } from "./types.ts";

/** Options of {@link createFetch}. With `propagateTo` or `traceTo` they say alone where context goes; else the tracer's do. */
export interface FetchOptions extends DestinationOptions {
  /** What sends. Default: the global `fetch` at the time of the call. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Default: the context's tracer, else the one of `setTracer`. */
  readonly tracer?: BotanuTracer | undefined;
  /** Default: the context that is active at the time of the call. */
  readonly context?: Context | undefined;
}

/**
 * A `fetch` that makes a client span for every request that goes out, and lets run and trace context go with it where section 12 of
 * the propagation contract allows. Redirects are followed by hand: each hop has its own span, and its own decision about our
 * headers. `Authorization`, `Cookie` and `Proxy-Authorization` stop at a change of origin. A header that the caller set is kept, but not one that came in
 * with the work at hand and is only handed on; a signed request gets none. What the caller passes in is neither changed nor read.
 *
 * A span ends when the response headers have come: an error while the body is read is not on it.
 *
 * What differs from the host's own redirects: `redirected` is set on the response itself, so a clone of it lacks that; the body of a
 * `Request` goes along with 307 and 308 up to 64 KiB; in a page, where redirects cannot be seen, the browser follows them.
 *
 * @throws BotanuError ERR_INVALID_OPTION on a bad host rule, when the function is made.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client
 */
export function createFetch(options: FetchOptions = {}): typeof globalThis.fetch {
  const policy = options.propagateTo || options.traceTo ? createDestinationPolicy(options) : undefined;
  return (input, init) => tracedFetch(options, policy, input, init);
}

/** `fetch` as {@link createFetch} makes it, in the active context and with its tracer. */
export function botanuFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  return tracedFetch({}, undefined, input, init);
}

/** Headers that an application which hands a request on does not know of: what they say was for this service, or by a stranger. */
const PASSED_ON = [
  BAGGAGE,
  TRACEPARENT,
  TRACESTATE,
  RUN_ID_HEADER,
  WORKFLOW_HEADER,
  EVENT_ID_HEADER,
  CUSTOMER_ID_HEADER,
];

const policies = /* @__PURE__ */ new WeakMap<DestinationOptions, DestinationPolicy>();

function policyOf(options: DestinationOptions): DestinationPolicy {
  let policy = policies.get(options);
  if (!policy) policies.set(options, (policy = createDestinationPolicy(options)));
  return policy;
}

async function tracedFetch(
  options: FetchOptions,
  policy: DestinationPolicy | undefined,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
): Promise<Response> {
  const send = options.fetch ?? globalThis.fetch;
  const context = options.context ?? activeContext();
  let request = context.getValue(SUPPRESS_KEY) ? undefined : describeRequest(input, init);
  if (!request) return send(input, init);
  const tracer = options.tracer ?? activeTracer(context);
  const allows = policy ?? policyOf(tracer.destinations);
  for (;;) {
    const { response, next }: Attempt = await attempt(send, tracer, context, allows, request);
    if (!next) return request.resends ? Object.defineProperty(response, "redirected", { value: true }) : response;
    request = next;
  }
}

interface Attempt {
  readonly response: Response;
  /** Where a redirect leads. */
  readonly next: OutgoingRequest | undefined;
}

async function attempt(
  send: typeof globalThis.fetch,
  tracer: BotanuTracer,
  context: Context,
  allows: DestinationPolicy,
  request: OutgoingRequest,
): Promise<Attempt> {
  const name = serverSpanName(request.method);
  const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes: clientAttributes(request, name) }, context);
  const active = tracer.contextWith(context, span);
  try {
    addContext(request, active, span, allows);
    const init = { ...request.init, headers: request.headers };
    const response = await withContext(active, () => send(request.input, init));
    span.setAttribute("http.response.status_code", response.status);
    if (response.status >= 400) {
      span.setAttribute("error.type", String(response.status)).setStatus({ code: SpanStatusCode.ERROR });
    }
    return { response, next: await followRedirect(request, response) };
  } catch (error) {
    span.setAttribute("error.type", errorType(error));
    recordFailure(span, error, active);
    throw error;
  } finally {
    span.end();
  }
}

function clientAttributes({ url, method, resends }: OutgoingRequest, name: string): Attributes {
  const known = name === method;
  const query = url.search && `?${redactQuery(url.search.slice(1))}`;
  const attributes: Attributes = {
    "http.request.method": known ? method : "_OTHER",
    "url.full": url.origin + url.pathname + query,
    "server.address": url.hostname,
    "server.port": url.port ? Number(url.port) : url.protocol === "https:" ? 443 : 80,
  };
  if (!known) attributes["http.request.method_original"] = method;
  if (resends) attributes["http.request.resend_count"] = resends;
  return attributes;
}

function addContext(request: OutgoingRequest, context: Context, span: Span, allows: DestinationPolicy): void {
  if (isSigned(request)) return;
  const { headers, added, url } = request;
  const incoming = getScope(context)?.incoming;
  for (const name of incoming ? PASSED_ON : []) if (headers.get(name) === fieldOf(incoming, name)) headers.delete(name);
  const ownsTrace = headers.has(TRACEPARENT);
  inject({ spanContext: span.spanContext(), run: getRun(context), baggage: getForeignBaggage(context) }, headers, {
    allow: allows(url),
    // A trace state belongs to its `traceparent`.
    setter: (to, key, value) => {
      if (to.has(key) || (key === TRACESTATE && ownsTrace)) return;
      to.set(key, value);
      added.push(key);
    },
  });
}

function fieldOf(carrier: Carrier = {}, name: string): unknown {
  return typeof carrier.get === "function"
    ? (carrier as Headers).get(name)
    : (carrier as Record<string, unknown>)[name];
}

/** Signed by AWS, or a link that carries its signature: of AWS, Google or Azure. */
function isSigned({ url, headers }: OutgoingRequest): boolean {
  return (
    headers.get("authorization")?.startsWith("AWS4-") ||
    /[?&](?:x-amz-signature|x-goog-signature|sig)=/i.test(url.search)
  );
}
