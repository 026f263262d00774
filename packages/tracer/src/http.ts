import { errorType } from "./failure.ts";
import { type Attributes, type Span, SpanStatusCode } from "./types.ts";

const METHOD = /^(?:CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|QUERY|TRACE)$/;
const URL_PARTS = /^([^:]+):\/\/(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?([^?#]*)\??([^#]*)/;
const SECRET = /sig(nature)?$|token|secret|passw|credential|api[-_]?key|accesskey|session|auth|jwt|^(?:code|key)$/i;

/** How a server's work ended, for {@link setServerOutcome}. */
export interface ServerEnd {
  readonly method: string;
  /** The matched route's pattern; absent when nothing matched. */
  readonly route?: string | undefined;
  readonly status?: number | undefined;
  /** What the handler threw, when it can be seen. Recording it as an exception is the caller's. */
  readonly error?: unknown;
  /** Whether the server is to blame: a status from 500, or an error without any status. */
  readonly failed: boolean;
}

/** `key=value` pairs whose key tells of a secret lose their value; the rest stays as it was sent. */
export function redactQuery(query: string): string {
  // Anchored at the separators: a search from every character would be quadratic in a long query.
  return query.replace(/(^|&)([^&=]+)=[^&]+/g, (pair, start: string, key: string) =>
    SECRET.test(key) ? `${start}${key}=REDACTED` : pair,
  );
}

/**
 * The attributes that a server span starts with, from the absolute URL as the client sent it. Never throws. Neither request
 * headers (but for `User-Agent`) nor addresses of clients are recorded.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
 */
export function serverAttributes(method: string, url: string, userAgent?: string | null): Attributes {
  const [, scheme, host, port, path, query] = URL_PARTS.exec(url) ?? [];
  const known = METHOD.test(method);
  const attributes: Attributes = { "http.request.method": known ? method : "_OTHER", "url.path": path || "/" };
  if (!known) attributes["http.request.method_original"] = method;
  if (scheme) attributes["url.scheme"] = scheme;
  if (query) attributes["url.query"] = redactQuery(query);
  if (host) attributes["server.address"] = host;
  if (port) attributes["server.port"] = +port;
  if (userAgent) attributes["user_agent.original"] = userAgent;
  return attributes;
}

/** A span name of low cardinality: the method and, once it is known, the route's pattern. */
export function serverSpanName(method: string, route?: string): string {
  const verb = METHOD.test(method) ? method : "HTTP";
  return route ? `${verb} ${route}` : verb;
}

/**
 * Names a server span by its route and says how it went. A status from 400 to 499 is no error of a server.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status
 */
export function setServerOutcome(span: Span, { method, route, status, error, failed }: ServerEnd): void {
  if (route) span.updateName(serverSpanName(method, route)).setAttribute("http.route", route);
  if (status) span.setAttribute("http.response.status_code", status);
  if (!failed) return;
  span.setAttribute("error.type", error === undefined ? String(status ?? "_OTHER") : errorType(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}
