import { trimWhitespace } from "./list.ts";
import type { TraceState } from "./tracestate.ts";

/** Identity of a span, structurally that of the OpenTelemetry API. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote?: boolean;
  readonly traceState?: TraceState;
}

/** Trace flags: the caller recorded the trace; the trace id is random. */
export const FLAG_SAMPLED = 1;
export const FLAG_RANDOM = 2;

const FIELDS = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-|$)/;
const NOT_ZERO = /[^0]/;

/**
 * Parses a `traceparent` header of Level 2 and of versions to come. Of the flags only those that the version is known
 * to define are kept.
 *
 * @see https://www.w3.org/TR/trace-context-2/#traceparent-header
 */
export function parseTraceparent(header: string): SpanContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = FIELDS.exec(trimWhitespace(header)) ?? [];
  const known = version === "00" ? FLAG_SAMPLED | FLAG_RANDOM : FLAG_SAMPLED;
  return version === "ff" || (version === "00" && more) || !NOT_ZERO.test(traceId) || !NOT_ZERO.test(spanId)
    ? undefined
    : { traceId, spanId, traceFlags: parseInt(flags, 16) & known, isRemote: true };
}

/** Formats a `traceparent` header of version 00: ids in lower case, unknown flags cleared. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & (FLAG_SAMPLED | FLAG_RANDOM)}`.toLowerCase();
}
