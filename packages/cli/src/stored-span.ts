// A span as it is read back: what the tree and the coverage report work on.

/** Values of span attributes as they are stored: JSON. */
type Attributes = Readonly<Record<string, unknown>>;

export interface SpanEvent {
  readonly name: string;
  readonly timeUnixNano: string;
  readonly attributes: Attributes;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  /** `SpanFlags` of the link; 0 where the sender did not say. */
  readonly flags?: number | undefined;
  readonly attributes: Attributes;
}

/** One stored span. Times are milliseconds; `startMs` is since the Unix epoch, exact to about a microsecond. */
export interface StoredSpan {
  /** Order of arrival in the store. */
  readonly id: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** The span's own `botanu.run_id`; undefined where it carries none. */
  readonly runId: string | undefined;
  readonly service: string;
  readonly name: string;
  /** `Span.SpanKind`: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startMs: number;
  /** May be negative: what was sent is kept. */
  readonly durationMs: number;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly traceState: string;
  readonly flags: number;
  readonly scope: string;
  readonly receivedMs: number;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  readonly resource: Attributes;
}

export const KIND = { unspecified: 0, internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
export const KIND_NAMES: readonly string[] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUS_ERROR = 2;

/** Columns that {@link readSpan} needs, of `spans s JOIN resources r ON r.id = s.resource_id`. */
export const SPAN_COLUMNS = `s.id, s.trace_id, s.span_id, s.parent_span_id, s.run_id, r.service, s.name, s.kind,
  s.start_ns / 1000000 AS start_ms, s.start_ns % 1000000 AS start_rest, (s.end_ns - s.start_ns) / 1e6 AS duration_ms,
  s.status_code, s.status_message, s.trace_state, s.flags, s.scope, s.received_ms,
  s.attributes, s.events, s.links, r.attributes AS resource`;

/** Makes a span of a row. JSON is parsed when it is first looked at, since most of it never is. */
export function readSpan(row: Record<string, unknown>): StoredSpan {
  return new SpanOfRow(row);
}

/** True for a span that failed: an error status, or an HTTP answer that a client has to count as one. */
export function isFailed(span: StoredSpan): boolean {
  if (span.statusCode === STATUS_ERROR) return true;
  const status = httpStatus(span);
  return status !== undefined && status >= (span.kind === KIND.client ? 400 : 500);
}

/** The HTTP status code, by the current name of the attribute or by the one before it. */
export function httpStatus(span: StoredSpan): number | undefined {
  const status = Number(
    span.attributes["http.response.status_code"] ?? span.attributes["http.status_code"] ?? Number.NaN,
  );
  return Number.isInteger(status) ? status : undefined;
}

/** The first of several attributes that is a text, or a number as text. */
export function attributeText(span: StoredSpan, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = span.attributes[name];
    if (typeof value === "string" && value !== "") return value;
    if (typeof value === "number") return String(value);
  }
  return undefined;
}

/** When a span ended, in milliseconds since the Unix epoch; never before it started. */
export function endMs(span: StoredSpan): number {
  return span.startMs + Math.max(0, span.durationMs);
}

class SpanOfRow implements StoredSpan {
  readonly id: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly runId: string | undefined;
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  readonly startMs: number;
  readonly durationMs: number;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly traceState: string;
  readonly flags: number;
  readonly scope: string;
  readonly receivedMs: number;
  readonly #row: Record<string, unknown>;
  #attributes: Attributes | undefined;

  constructor(row: Record<string, unknown>) {
    this.#row = row;
    this.id = Number(row["id"]);
    this.traceId = String(row["trace_id"]);
    this.spanId = String(row["span_id"]);
    this.parentSpanId = String(row["parent_span_id"]);
    this.runId = typeof row["run_id"] === "string" ? row["run_id"] : undefined;
    this.service = String(row["service"]);
    this.name = String(row["name"]);
    this.kind = Number(row["kind"]);
    this.startMs = Number(row["start_ms"]) + Number(row["start_rest"]) / 1e6;
    this.durationMs = Number(row["duration_ms"]);
    this.statusCode = Number(row["status_code"]);
    this.statusMessage = String(row["status_message"]);
    this.traceState = String(row["trace_state"]);
    this.flags = Number(row["flags"]);
    this.scope = String(row["scope"]);
    this.receivedMs = Number(row["received_ms"]);
  }

  get attributes(): Attributes {
    return (this.#attributes ??= JSON.parse(String(this.#row["attributes"])) as Attributes);
  }

  get events(): readonly SpanEvent[] {
    return parseList(this.#row["events"]) as readonly SpanEvent[];
  }

  get links(): readonly SpanLink[] {
    return parseList(this.#row["links"]) as readonly SpanLink[];
  }

  get resource(): Attributes {
    return JSON.parse(String(this.#row["resource"])) as Attributes;
  }
}

function parseList(text: unknown): readonly unknown[] {
  return typeof text === "string" && text !== "" ? (JSON.parse(text) as unknown[]) : [];
}
