import {
  extract,
  formatBaggage,
  getRun,
  OTEL_BAGGAGE_KEY,
  parseRunId,
  RUN_ID,
  runAttributes,
  SPAN_KEY,
  TRACESTATE_KEY,
  type RunContext,
} from "@botanu/core";
import type { Baggage, Context, Span } from "@opentelemetry/api";

/** Marks a `botanu.run_id` that came from the trace state alone: it names the trace's first run, perhaps not this one. */
export const STAMPED_BY = "botanu.stamped_by";

/** What was read from a `Baggage` object; such objects are immutable, and a request shares one. */
const READ = new WeakMap<Baggage, RunContext | null>();

/**
 * The run of a context: the one a propagator or a run wrapper of this project put there, else the one that
 * OpenTelemetry Baggage holds. There is none unless run id and workflow are both valid.
 */
export function contextRun(context: Context): RunContext | undefined {
  const run = getRun(context);
  if (run !== undefined) return run;
  const baggage = context.getValue(OTEL_BAGGAGE_KEY) as Baggage | undefined;
  return baggage === undefined ? undefined : baggageRun(baggage);
}

/**
 * The attributes that every span below `context` carries: those of its run, else the run id of the trace state with
 * `botanu.stamped_by`, else none.
 */
export function contextAttributes(context: Context): Readonly<Record<string, string>> | undefined {
  const run = contextRun(context);
  if (run !== undefined) return runAttributes(run);
  const span = context.getValue(SPAN_KEY) as Span | undefined;
  const runId = parseRunId(span?.spanContext().traceState?.get(TRACESTATE_KEY));
  return runId === undefined ? undefined : { [RUN_ID]: runId, [STAMPED_BY]: "tracestate" };
}

/**
 * The values here were decoded by whoever read the header, so a plus sign is a plus sign: only a reader of the raw
 * header, such as `RunPropagator`, can tell a space that was written as one.
 */
function baggageRun(baggage: Baggage): RunContext | undefined {
  const known = READ.get(baggage);
  if (known !== undefined) return known ?? undefined;
  const members = baggage.getAllEntries().map(([key, entry]) => ({ key, value: String(entry.value) }));
  const own = members.filter((member) => member.key.startsWith("botanu."));
  const run = own.length === 0 ? undefined : extract({ baggage: formatBaggage(own) }, { trust: true }).run;
  READ.set(baggage, run ?? null);
  return run;
}
