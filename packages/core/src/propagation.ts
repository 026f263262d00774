import { readCarrier, textOf, writeCarrier, type Carrier } from "./carrier.ts";
import type { Destination } from "./destination.ts";
import { warnOnce } from "./diag.ts";
import {
  BAGGAGE,
  CUSTOMER_ID_HEADER,
  EVENT_ID_HEADER,
  RUN_ID_HEADER,
  RUN_KEYS,
  TRACEPARENT,
  TRACESTATE,
  TRACESTATE_KEY,
  WORKFLOW_HEADER,
} from "./keys.ts";
import { parseRunId } from "./run-id.ts";
import { readRun, runValues, type RunContext } from "./run.ts";
import { joinMembers, scanBaggage } from "./w3c/baggage.ts";
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

/** What a trusted caller may send as headers of their own, in the order of the run's keys. */
const FALLBACK_HEADERS = [RUN_ID_HEADER, WORKFLOW_HEADER, EVENT_ID_HEADER, CUSTOMER_ID_HEADER];

const ENCODED = /[%+]/;

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
  const texts: (string | undefined)[] = RUN_KEYS.map(() => undefined);
  const baggage: string[] = [];
  scanBaggage(read(BAGGAGE) ?? "", (raw, key, value) => {
    const index = RUN_KEYS.indexOf(key);
    // A hop in Python writes a space as a plus sign.
    if (index >= 0) texts[index] = ENCODED.test(value) ? percentDecode(value.replaceAll("+", " ")) : value;
    else if (!key.startsWith("botanu.")) baggage.push(raw);
  });
  const spanContext = extractSpanContext(read, trust);
  if (!trust) return { spanContext, baggage, untrustedRunId: parseRunId(texts[0]) };
  FALLBACK_HEADERS.forEach((name, index) => (texts[index] ??= read(name)));
  return { spanContext, baggage, run: readRun(texts) };
}

function extractSpanContext(read: (key: string) => string | undefined, trust: boolean): SpanContext | undefined {
  const parent = parseTraceparent(read(TRACEPARENT) ?? "");
  const header = parent && read(TRACESTATE);
  if (!header) return parent;
  let traceState = createTraceState(header);
  if (!trust) traceState = traceState.unset(TRACESTATE_KEY);
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
  const members: string[] = [];
  if (run) {
    for (const [index, value] of runValues(run).entries()) {
      if (value) members.push(`${RUN_KEYS[index]}=${percentEncode(String(value))}`);
    }
  }
  const { header, left } = joinMembers([...members, ...baggage]);
  if (left > 0) warnOnce("left", `${left} foreign members dropped`);
  if (header.length > WARN_BYTES) warnOnce("size", "baggage over 4 KiB");
  return header;
}
