import {
  activeContext,
  type Context,
  createRetry,
  createRun,
  getRun,
  type RunContext,
  type RunOptions,
  warnOnce,
} from "@botanu/core";
import { getScope } from "./failure.ts";
import { traceCall } from "./result.ts";
import { endRunSpan, type RunStatus, startRunSpan } from "./run-span.ts";
import { getSpan } from "./span.ts";
import { activeTracer } from "./tracer.ts";
import { type BotanuTracer, SpanKind } from "./types.ts";

/** How a run is carried out, whichever way it starts. */
export interface RunCallOptions {
  /** What the run starts in. Default: what is active; give it where nothing keeps an active context. */
  readonly context?: Context | undefined;
  /** Kind of the run span. Default: SERVER when the context has no span of this process, otherwise INTERNAL. */
  readonly kind?: number | undefined;
  /** A run that throws after this signal aborted was `canceled`; without a signal, or before, it is a `failure`. */
  readonly signal?: AbortSignal | undefined;
  /** Reads from the result how the run went, such as `partial`. Default: `success`. */
  readonly status?: ((result: unknown) => RunStatus | undefined) | undefined;
  /** Default: the context's tracer, else the one of `setTracer`. */
  readonly tracer?: BotanuTracer | undefined;
}

/** What a run is called and belongs to, and how it is carried out. */
export interface WithRunOptions extends Omit<RunOptions, "parent">, RunCallOptions {
  /** Nests a new run in one that came from a trusted caller, instead of carrying that one out. */
  readonly newRun?: boolean | undefined;
}

/**
 * Carries out a run: calls `fn` in its context, with a run span around it, and gives back what `fn` gives. Section 10 of the
 * propagation contract says which run: inside one that goes on in this process a nested one; below one that a trusted caller sent
 * that one itself, whose workflow and ids win; otherwise a new one.
 *
 * The run lasts until a promise has settled or a generator or async iterable was read to its end; `traceCall` has the details.
 * What is thrown passes through as it is. Without any tracer the run still propagates.
 *
 * @throws BotanuError ERR_INVALID_OPTION when the workflow is not a text of 1 to 256 bytes without control characters.
 */
export function withRun<R>(options: WithRunOptions, fn: (run: RunContext, context: Context) => R): R {
  const context = options.context ?? activeContext();
  const tracer = options.tracer ?? activeTracer(context);
  return callRun(chooseRun(options, context, tracer), context, tracer, options, fn);
}

/** The run that `context` belongs to; by default the active one. */
export function activeRun(context: Context = activeContext()): RunContext | undefined {
  return getRun(context);
}

/**
 * Carries out a new attempt at `previous`: a new run id, the same event, deadline and root, the attempt one higher. It is no
 * nested run, wherever it is called. Otherwise as {@link withRun}.
 */
export function retryRun<R>(
  previous: RunContext,
  fn: (run: RunContext, context: Context) => R,
  options: RunCallOptions = {},
): R {
  const context = options.context ?? activeContext();
  return callRun(createRetry(previous), context, options.tracer ?? activeTracer(context), options, fn);
}

function chooseRun(options: WithRunOptions, context: Context, tracer: BotanuTracer): RunContext {
  const active = getRun(context);
  // A run without a run span above it came from outside, and whoever put it into the context trusts it.
  const joined = active && !options.newRun && !getScope(context)?.span ? active : undefined;
  const run = createRun({
    ...options,
    deadline: wholeMillis(options.deadline),
    environment: options.environment ?? (active ? undefined : resourceEnvironment(tracer)),
    parent: active,
  });
  return joined ?? run;
}

function wholeMillis(deadline: number | undefined): number | undefined {
  if (deadline === undefined || (deadline >= 1 && deadline < 1e15)) return deadline && Math.floor(deadline);
  warnOnce("deadline!", "deadline left out: not in epoch milliseconds");
  return undefined;
}

function resourceEnvironment(tracer: BotanuTracer): string | undefined {
  const environment = tracer.resource.attributes["deployment.environment.name"];
  return typeof environment === "string" ? environment : undefined;
}

function callRun<R>(
  run: RunContext,
  context: Context,
  tracer: BotanuTracer,
  options: RunCallOptions,
  fn: (run: RunContext, context: Context) => R,
): R {
  const runSpan = startRunSpan(tracer, run, context, options.kind ?? defaultKind(context));
  return traceCall(
    runSpan.context,
    () => fn(run, runSpan.context),
    (failed, value) => {
      const end = failed ? { error: value, aborted: options.signal?.aborted } : { status: readStatus(options, value) };
      endRunSpan(runSpan, { ...end, failed });
    },
  );
}

function defaultKind(context: Context): number {
  const span = getSpan(context);
  return span && !span.spanContext().isRemote ? SpanKind.INTERNAL : SpanKind.SERVER;
}

function readStatus({ status }: RunCallOptions, result: unknown): RunStatus | undefined {
  try {
    return status?.(result);
  } catch {
    warnOnce("status!", "status left out: its function threw");
    return undefined;
  }
}
