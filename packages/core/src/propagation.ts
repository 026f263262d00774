import { readCarrier, textOf, writeCarrier, type Carrier } from "./carrier.ts";
import type { Destination } from "./destination.ts";
import { diag, warnOnce } from "./diag.ts";
import { BAGGAGE, RUN_ID, TRACEPARENT, TRACESTATE, TRACESTATE_KEY } from "./keys.ts";
import { parseRunId } from "./run-id.ts";
import { readRun, RUN_FIELDS, type RunContext } from "./run.ts";
import { joinMembers, readMembers } from "./w3c/baggage.ts";
import { percentDecode, percentEncode } from "./w3c/percent-encoding.ts";
import { formatTraceparent, parseTraceparent, type SpanContext } from "./w3c/traceparent.ts";
import { createTraceState } from "./w3c/tracestate.ts";

/** What travels with a request. */
export interface Propagation {
  readonly spanContext?: SpanContext | undefined;
  readonly run?: RunContext | undefined;
  /** Baggage members of others as they stand on the wire, in order. */
  readonly baggage?: readonly string[] | undefined;
}

/** What was read from a carrier. */
export interface Extracted extends Propagation {
  /** Run id of a caller that is not trusted. */
  readonly untrustedRunId?: string | undefined;
}

/** Reads a field of a carrier of any kind. */
export type Getter<C> = (carrier: C, key: string) => unknown;
/** Writes a field of a carrier of any kind. */
export type Setter<C> = (carrier: C, key: string, value: string) => void;

export interface ExtractOptions<C = Carrier> {
  /** Whether the caller's `botanu.*` members are believed. Default: false. */
  readonly trust?: boolean | undefined;
  readonly getter?: Getter<C> | undefined;
}

export interface InjectOptions<C = Carrier> {
  readonly setter?: Setter<C> | undefined;
  /** Which parts go. Default: all. */
  readonly allow?: Destination | undefined;
}

const PREFIX = "botanu.";
const WARN_BYTES = 4096;

/**
 * Reads trace context, run and baggage of others from a carrier. Never throws: what is malformed is left out.
 * Of a caller that is not trusted no `botanu` member is kept, only its run id, apart.
 */
export function extract<C = Carrier>(carrier: C, options: ExtractOptions<C> = {}): Extracted {
  const { trust = false, getter = readCarrier as Getter<C> } = options;
  const read = (key: string): string | undefined => {
    try {
      return textOf(getter(carrier, key));
    } catch {
      return undefined;
    }
  };
  const own = new Map<string, string>();
  const baggage: string[] = [];
  for (const { key, value, raw } of readMembers(read(BAGGAGE) ?? "")) {
    if (key.startsWith(PREFIX)) own.set(key, percentDecode(value.replaceAll("+", " ")));
    else baggage.push(raw);
  }
  return {
    spanContext: extractSpanContext(read, trust),
    baggage,
    run: trust
      ? readRun((key, index) => own.get(key) ?? (index < 4 ? read(`x-${key.replace(/[._]/g, "-")}`) : undefined))
      : undefined,
    untrustedRunId: trust ? undefined : parseRunId(own.get(RUN_ID)),
  };
}

function extractSpanContext(read: (key: string) => string | undefined, trust: boolean): SpanContext | undefined {
  const parent = parseTraceparent(read(TRACEPARENT) ?? "");
  const header = parent && read(TRACESTATE);
  if (!header) return parent;
  const received = createTraceState(header);
  const traceState = trust || received.get(TRACESTATE_KEY) === undefined ? received : received.unset(TRACESTATE_KEY);
  return traceState.serialize() ? { ...parent, traceState } : parent;
}

/**
 * Writes trace context, run and baggage of others to a carrier. The run's members come first; over 64 members or
 * 8,192 bytes members of others go, from the end, and the run never does.
 */
export function inject<C = Carrier>(propagation: Propagation, carrier: C, options: InjectOptions<C> = {}): void {
  const { setter = writeCarrier as Setter<C>, allow } = options;
  const { spanContext, run } = propagation;
  const write = (key: string, value: string): void => {
    if (value) setter(carrier, key, value);
  };
  const runAllowed = !allow || allow.baggage;
  if (runAllowed) write(BAGGAGE, formatPropagatedBaggage(propagation));
  const traceparent = spanContext && (!allow || allow.trace) ? formatTraceparent(spanContext) : "";
  if (!parseTraceparent(traceparent)) return;
  write(TRACEPARENT, traceparent);
  let state = spanContext?.traceState;
  if (!runAllowed) state = state?.unset(TRACESTATE_KEY);
  else if (run) state = (state ?? createTraceState()).set(TRACESTATE_KEY, run.runId);
  write(TRACESTATE, state?.serialize() ?? "");
}

function formatPropagatedBaggage({ run, baggage = [] }: Propagation): string {
  const { header, left } = joinMembers([...(run ? formatRun(run) : []), ...baggage]);
  if (left > 0) diag().warn(`${left} baggage members of others dropped`);
  if (header.length > WARN_BYTES) warnOnce("size", "baggage over 4 KiB");
  return header;
}

/** The baggage members of a run, in order. */
export function formatRun(run: RunContext): string[] {
  const members: string[] = [];
  for (const [key, field] of RUN_FIELDS) {
    const value = run[field];
    const implied =
      value === undefined ||
      value === false ||
      (field === "attempt" && value === 1) ||
      (field === "rootRunId" && value === run.runId);
    if (!implied) members.push(`${key}=${percentEncode(String(value))}`);
  }
  return members;
}
