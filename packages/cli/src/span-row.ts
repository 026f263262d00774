// What a reader makes of one OTLP span: the row that is stored. Both encodings lead to exactly the same rows.

import {
  ATTEMPT,
  CUSTOMER_ID,
  ENVIRONMENT,
  EVENT_ID,
  PARENT_RUN_ID,
  RETRY_OF_RUN_ID,
  ROOT_RUN_ID,
  RUN_ID,
  TENANT_ID,
  WORKFLOW,
  parseRunId,
} from "@botanu/core";

/** A resource as it is stored once and pointed at by its spans. */
export interface ResourceRow {
  /** `service.name`, or `unknown_service` where the sender named none. */
  readonly service: string;
  /** All resource attributes as a JSON object. */
  readonly attributes: string;
}

/** The run that a span says it belongs to: its own `botanu.*` attributes. */
export interface RunFields {
  runId?: string;
  workflow?: string;
  eventId?: string;
  customerId?: string;
  environment?: string;
  tenantId?: string;
  parentRunId?: string;
  rootRunId?: string;
  retryOfRunId?: string;
  attempt?: number;
  /** `status` of the event `botanu.run.completed`: only the span of the run itself has it. */
  outcome?: string;
}

/** One span, ready to be stored. Ids are lower-case hex, times are nanoseconds since the Unix epoch. */
export interface SpanRow {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty on a root span. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly statusCode: number;
  readonly statusMessage: string;
  /** JSON object; integers beyond 2^53 and NaN are strings in it. */
  readonly attributes: string;
  /** JSON array of `{name, timeUnixNano, attributes}`; empty text for none. */
  readonly events: string;
  /** JSON array of `{traceId, spanId, attributes}`; empty text for none. */
  readonly links: string;
  readonly scope: string;
  readonly run: RunFields;
  readonly resource: ResourceRow;
}

/** The fields of a span while it is being read. */
export type SpanDraft = { -readonly [Field in keyof SpanRow]: SpanRow[Field] };

/** What one request body held. */
export interface DecodedSpans {
  readonly rows: SpanRow[];
  /** Spans left out because they are not valid; the rest of the body is stored. */
  readonly rejected: number;
  /** Why the first of them was left out; empty when none was. */
  readonly reason: string;
}

/** Limits of one request, so that a small body cannot become a large amount of memory. */
export interface DecodeLimits {
  /** Spans of one request. Default 100,000. */
  readonly maxSpans: number;
  /** Characters of one span's attributes, events and links together. Default 1 Mi. */
  readonly maxSpanText: number;
}

export const DECODE_LIMITS: DecodeLimits = { maxSpans: 100_000, maxSpanText: 1 << 20 };

/** Levels of arrays and maps inside one attribute value. */
export const MAX_DEPTH = 32;

/** The last known value of `Span.SpanKind` (CONSUMER) and of `Status.StatusCode` (ERROR). */
export const LAST_KIND = 5;
export const LAST_STATUS = 2;

/** The service name of a resource that has none. */
export const UNKNOWN_SERVICE = "unknown_service";

/** The body is not OTLP: nothing of it is stored. */
export class MalformedBody extends Error {}

/** The body is OTLP and holds more than is taken at once. */
export class OversizedBody extends Error {}

/** One span is not valid: it is left out and counted, the others are stored. */
export class InvalidSpan extends Error {}

const RUN_TEXT: Readonly<Record<string, Exclude<keyof RunFields, "runId" | "attempt" | "outcome">>> = {
  [WORKFLOW]: "workflow",
  [EVENT_ID]: "eventId",
  [CUSTOMER_ID]: "customerId",
  [ENVIRONMENT]: "environment",
  [TENANT_ID]: "tenantId",
  [PARENT_RUN_ID]: "parentRunId",
  [ROOT_RUN_ID]: "rootRunId",
  [RETRY_OF_RUN_ID]: "retryOfRunId",
};

const RUN_COMPLETED = "botanu.run.completed";
const MAX_TIME = (1n << 63n) - 1n;
const ZERO_ID = /^0*$/;
const ID = /^[0-9a-f]+$/;

/** Keeps what a span says about its run, attribute by attribute. */
export function noteRunAttribute(run: RunFields, key: string, value: unknown): void {
  if (key === RUN_ID) {
    const runId = parseRunId(value);
    if (runId !== undefined) run.runId = runId;
    return;
  }
  if (key === ATTEMPT) {
    const attempt = Number(value);
    if (Number.isSafeInteger(attempt) && attempt > 0) run.attempt = attempt;
    return;
  }
  const field = RUN_TEXT[key];
  if (field !== undefined && typeof value === "string" && value !== "") run[field] = value;
}

/** Keeps the outcome that the event at the end of a run tells. */
export function noteRunEvent(run: RunFields, name: string, status: unknown): void {
  if (name === RUN_COMPLETED && typeof status === "string") run.outcome = status;
}

/** An enum value; one that is not known here reads as unspecified, as proto3 asks. */
export function enumeration(value: unknown, last: number): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= last ? value : 0;
}

/** An empty span of a resource and a scope. */
export function createDraft(resource: ResourceRow, scope: string): SpanDraft {
  return {
    traceId: "",
    spanId: "",
    parentSpanId: "",
    traceState: "",
    flags: 0,
    name: "",
    kind: 0,
    startNs: 0n,
    endNs: 0n,
    statusCode: 0,
    statusMessage: "",
    attributes: "",
    events: "",
    links: "",
    scope,
    run: {},
    resource,
  };
}

/**
 * Checks a span that was read to its end and closes its JSON texts.
 *
 * @throws {InvalidSpan} when an id or a time is not one
 */
export function finishDraft(draft: SpanDraft, limits: DecodeLimits): SpanRow {
  checkId(draft.traceId, 32, "trace id");
  checkId(draft.spanId, 16, "span id");
  if (ZERO_ID.test(draft.parentSpanId)) draft.parentSpanId = "";
  else checkId(draft.parentSpanId, 16, "parent span id");
  if (draft.startNs <= 0n) throw new InvalidSpan("a span has no start time");
  if (draft.startNs > MAX_TIME || draft.endNs > MAX_TIME) throw new InvalidSpan("a time is out of range");
  if (draft.endNs === 0n) draft.endNs = draft.startNs;
  checkSpanText(draft.attributes.length + draft.events.length + draft.links.length, limits);
  draft.attributes = `{${draft.attributes}}`;
  if (draft.events !== "") draft.events = `[${draft.events}]`;
  if (draft.links !== "") draft.links = `[${draft.links}]`;
  return draft;
}

/** @throws {InvalidSpan} when a span is larger than a viewer can use */
export function checkSpanText(length: number, limits: DecodeLimits): void {
  if (length > limits.maxSpanText) {
    throw new InvalidSpan(`a span holds more than ${limits.maxSpanText} characters of attributes, events and links`);
  }
}

/** @throws {OversizedBody} when a request holds more spans than are taken at once */
export function checkSpanCount(count: number, limits: DecodeLimits): void {
  if (count > limits.maxSpans) {
    throw new OversizedBody(`more than ${limits.maxSpans} spans in one request: send smaller batches`);
  }
}

function checkId(id: string, length: number, what: string): void {
  if (id.length !== length || !ID.test(id)) throw new InvalidSpan(`a ${what} is not ${length} hex digits`);
  if (ZERO_ID.test(id)) throw new InvalidSpan(`a ${what} is zero`);
}
