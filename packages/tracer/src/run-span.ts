import { ATTEMPT, type Context, getRun, RETRY_OF_RUN_ID, ROOT_RUN_ID, type RunContext, setRun } from "@botanu/core";
import { errorType, recordFailure, setScope } from "./failure.ts";
import { type Clock, createClock } from "./time.ts";
import { type Attributes, type BotanuTracer, type Span, SpanStatusCode } from "./types.ts";

/** How a run ended. */
export type RunStatus = "success" | "failure" | "partial" | "timeout" | "canceled";

/** A run that is being carried out here. */
export interface RunSpan {
  readonly run: RunContext;
  readonly span: Span;
  /** The run set and its span active: what belongs to the run starts here. */
  readonly context: Context;
  readonly now: Clock;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}

/** How a run span ends. */
export interface RunEnd {
  /** What was thrown. */
  readonly error?: unknown;
  /** Default: whether there is an error. */
  readonly failed?: boolean | undefined;
  /** The caller went away or gave up: a failure is then a cancellation, unless it is the deadline's. */
  readonly aborted?: boolean | undefined;
  /** Default: what follows from the rest, from the run's deadline and from its cancellation. */
  readonly status?: RunStatus | undefined;
}

/**
 * Starts the span `botanu.run/<workflow>` below the span of `context`, with the attributes and the event that section 6 of the
 * propagation contract gives a run span. `kind` is SERVER when the run is itself the entry, INTERNAL below a span of an adapter.
 */
export function startRunSpan(
  tracer: BotanuTracer,
  run: RunContext,
  context: Context,
  kind: number,
  now: Clock = createClock(),
): RunSpan {
  const startedAt = now();
  const inRun = getRun(context) === run ? context : setRun(context, run);
  const span = tracer.startSpan(
    `botanu.run/${run.workflow}`,
    { kind, attributes: runSpanAttributes(run, startedAt) },
    inRun,
  );
  span.addEvent("botanu.run.started", { run_id: run.runId, workflow: run.workflow });
  return { run, span, context: setScope(tracer.contextWith(inRun, span), span), now, startedAt };
}

/** Records how the run went and ends its span. A second call changes nothing. */
export function endRunSpan({ run, span, context, now, startedAt }: RunSpan, end: RunEnd = {}): void {
  if (!span.isRecording()) return;
  const { error } = end;
  const ended = now();
  const status = end.status ?? runStatus(run, end, ended);
  const isError = status === "failure" || status === "timeout";
  if (error !== undefined) recordFailure(span, error, context, isError);
  else if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
  const duration = Math.max(0, ended - startedAt);
  span.setAttribute("botanu.run.duration_ms", duration);
  const completed: Attributes = { run_id: run.runId, workflow: run.workflow, status, duration_ms: duration };
  if (error !== undefined) completed["error_class"] = errorType(error);
  span.addEvent("botanu.run.completed", completed);
  span.end();
}

function runSpanAttributes(run: RunContext, startedAt: number): Attributes {
  const attributes: Attributes = {
    "botanu.run.start_time": new Date(startedAt).toISOString(),
    [ROOT_RUN_ID]: run.rootRunId,
    [ATTEMPT]: run.attempt,
  };
  if (run.retryOfRunId) attributes[RETRY_OF_RUN_ID] = run.retryOfRunId;
  if (run.deadline !== undefined) attributes["botanu.run.deadline_ts"] = run.deadline / 1000;
  if (run.cancelled) attributes["botanu.run.cancelled"] = true;
  return attributes;
}

function runStatus(run: RunContext, end: RunEnd, now: number): RunStatus {
  if (run.cancelled) return "canceled";
  if (!(end.failed ?? end.error !== undefined)) return "success";
  // An abort is the deadline's doing only once that has passed; timers may fire a millisecond before the clock says so.
  if (run.deadline !== undefined && now + 1 >= run.deadline && isTimeout(end.error)) return "timeout";
  return end.aborted ? "canceled" : "failure";
}

function isTimeout(error: unknown): boolean {
  try {
    let cause = error as { code?: unknown; cause?: unknown } | null | undefined;
    for (let depth = 0; depth < 4 && cause != null; depth++, cause = cause.cause as typeof cause) {
      if (/abort|timed?[ _]?out/i.test(`${errorType(cause)} ${String(cause.code)}`)) return true;
    }
  } catch {
    // A getter of what was thrown threw in turn: it says nothing.
  }
  return false;
}
