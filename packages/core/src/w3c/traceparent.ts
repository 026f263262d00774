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

// The look-ahead refuses version ff, anything after the flags of version 00, and ids that are all zero.
const FIELDS =
  /^[ \t]*(?!ff|00.{53}-|.{3}0{32}|.{36}0{16})([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|[ \t]*$)/;

/**
 * Parses a `traceparent` header of Level 2 and of versions to come. Of the flags only those that the version is known
 * to define are kept.
 *
 * @see https://www.w3.org/TR/trace-context-2/#traceparent-header
 */
export function parseTraceparent(header: string): SpanContext | undefined {
  const [, version, traceId, spanId, flags] = FIELDS.exec(header) ?? [];
  return traceId && spanId && flags
    ? { traceId, spanId, traceFlags: parseInt(flags, 16) & (version === "00" ? 3 : 1), isRemote: true }
    : undefined;
}

/** Formats a `traceparent` header of version 00: ids in lower case, unknown flags cleared. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & 3}`.toLowerCase();
}
