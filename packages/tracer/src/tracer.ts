// The tracer: starts spans, stamps the run on each, and knows where each goes when it ends.

import {
  activeContext,
  BotanuError,
  createSpanId,
  createTraceId,
  CUSTOMER_ID,
  ENVIRONMENT,
  EVENT_ID,
  getRun,
  PARENT_RUN_ID,
  ROOT_CONTEXT,
  RUN_ID,
  SPAN_KEY,
  STEP,
  TENANT_ID,
  withContext,
  WORKFLOW,
} from "@botanu/core";
import type { DestinationOptions, RunContext } from "@botanu/core";
import { DEFAULT_MAX_SPANS, getInvocation, SpanInvocation } from "./invocation.ts";
import { putAttributes, resolveLimits } from "./limits.ts";
import { Pipeline, SUPPRESS_KEY } from "./processors.ts";
import { resolveResource } from "./resource.ts";
import { getSpan, isSpanContextValid, LightSpan, setSpan, wrapSpanContext } from "./span.ts";
import type { SpanStore } from "./span.ts";
import { createClock } from "./time.ts";
import type {
  Attributes,
  BotanuTracer,
  Context,
  ForeignSampler,
  Invocation,
  Resource,
  Span,
  SpanBuffer,
  SpanContext,
  SpanOptions,
  TracerOptions,
  TracerStats,
} from "./types.ts";

/** The context value and the global under which the tracer for runs, steps and requests is found. */
export const TRACER_KEY: symbol = Symbol.for("botanu.tracer.v1");

const INVALID: SpanContext = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };

// Attributes that a run may stamp.
const STAMPS = 8;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

// One line per key: a store under a constant name costs a tenth of one in a loop, and every span passes here.
function stampRun(attributes: Attributes, run: RunContext): void {
  attributes[RUN_ID] ??= run.runId;
  attributes[WORKFLOW] ??= run.workflow;
  attributes[ENVIRONMENT] ??= run.environment;
  if (run.eventId) attributes[EVENT_ID] ??= run.eventId;
  if (run.customerId) attributes[CUSTOMER_ID] ??= run.customerId;
  if (run.tenantId) attributes[TENANT_ID] ??= run.tenantId;
  if (run.parentRunId) attributes[PARENT_RUN_ID] ??= run.parentRunId;
  if (run.step) attributes[STEP] ??= run.step;
}

// The fast way, for what nearly every span is given: at most `max` plain values. Anything else is undefined.
function cloneAttributes(given: Attributes | undefined, max: number): Attributes | undefined {
  try {
    const attributes = { ...given };
    for (const key in attributes) {
      const type = typeof attributes[key];
      if ((type !== "string" && type !== "number" && type !== "boolean") || key === "" || --max < 0) return undefined;
    }
    return attributes;
  } catch {
    return undefined;
  }
}

function validContext(span: Span | undefined): SpanContext | undefined {
  if (!span) return undefined;
  const context = span.spanContext();
  return span instanceof LightSpan || isSpanContextValid(context) ? context : undefined;
}

class LightTracer implements BotanuTracer {
  readonly resource: Resource;
  readonly destinations: DestinationOptions;
  readonly #pipeline: Pipeline;
  readonly #disabled: boolean;
  readonly #sampler: ForeignSampler | undefined;
  readonly #maxSpans: number;
  /** Spans of no invocation, where nothing batches them: they leave as they end. */
  readonly #unbound: SpanInvocation;
  readonly #batch: SpanBuffer | undefined;

  constructor(options: TracerOptions) {
    const { maxSpans = DEFAULT_MAX_SPANS, sampler } = options;
    if (!(maxSpans >= 1)) throw new BotanuError("ERR_INVALID_OPTION", "maxSpans: not a number from 1");
    if (sampler && typeof sampler.shouldSample !== "function")
      throw new BotanuError("ERR_INVALID_OPTION", "sampler: no shouldSample");
    this.resource = resolveResource(options.resource);
    this.destinations = options;
    this.#pipeline = new Pipeline(options, this.resource, resolveLimits(options.limits), options.now ?? createClock());
    this.#disabled = options.disabled === true;
    this.#sampler = sampler;
    this.#maxSpans = maxSpans;
    this.#unbound = new SpanInvocation(this.#pipeline, ROOT_CONTEXT, maxSpans, true);
    this.#batch = options.batch?.(this.#pipeline);
  }

  startSpan(name: string, options: SpanOptions = {}, context: Context = activeContext()): Span {
    const below = options.root ? context.deleteValue(SPAN_KEY) : context;
    const above = getSpan(below);
    if (this.#disabled) return above ?? wrapSpanContext(INVALID);
    if (below.getValue(SUPPRESS_KEY)) return wrapSpanContext(INVALID);
    const parent = validContext(above);
    const spanContext: Writable<SpanContext> = {
      traceId: parent ? parent.traceId : createTraceId(),
      spanId: createSpanId(),
      // Of a new trace we know that its id is random; below a parent, that one says.
      traceFlags: parent ? (parent.traceFlags & 2) | 1 : 3,
    };
    if (parent?.traceState) spanContext.traceState = parent.traceState;
    return this.#start(name, options, below, spanContext, parent);
  }

  #start(
    name: string,
    options: SpanOptions,
    context: Context,
    spanContext: Writable<SpanContext>,
    parent: SpanContext | undefined,
  ): Span {
    const { attributeCountLimit, attributeValueLengthLimit } = this.#pipeline.limits;
    const run = getRun(context);
    let dropped = 0;
    let attributes =
      attributeValueLengthLimit === Infinity && cloneAttributes(options.attributes, attributeCountLimit - STAMPS);
    if (attributes) {
      if (run) stampRun(attributes, run);
    } else {
      attributes = {};
      // First in, so that the limit takes others.
      if (run) stampRun(attributes, run);
      dropped = putAttributes(
        attributes,
        options.attributes,
        attributeCountLimit,
        attributeValueLengthLimit,
        this.#pipeline.reject,
      );
    }
    const sampled = this.#sample(context, spanContext, name, options, attributes);
    if (sampled === null) return wrapSpanContext(spanContext);
    const store = this.#store(context);
    const { kind = 0, startTime } = options;
    const span = new LightSpan(this.#pipeline, store, spanContext, parent, name, kind, attributes, startTime);
    span.droppedAttributesCount = dropped;
    if (sampled) span.setAttributes(sampled);
    if (options.links) span.addLinks(options.links);
    this.#pipeline.started(span, context);
    return span;
  }

  /** Asks the sampler, and writes its answer into `spanContext`. Null: not recorded; else what it adds. */
  #sample(
    context: Context,
    spanContext: Writable<SpanContext>,
    name: string,
    options: SpanOptions,
    attributes: Attributes,
  ): Attributes | null | undefined {
    if (!this.#sampler) return undefined;
    try {
      const { kind = 0, links = [] } = options;
      const result = this.#sampler.shouldSample(context, spanContext.traceId, name, kind, attributes, links);
      if (result.decision < 2) spanContext.traceFlags &= ~1;
      if (result.traceState) spanContext.traceState = result.traceState;
      return result.decision === 0 ? null : (result.attributes as Attributes | undefined);
    } catch (error) {
      // A span too many is better than a run that is not seen.
      this.#pipeline.fail("sampler", error);
      return undefined;
    }
  }

  #store(context: Context): SpanStore {
    const invocation = getInvocation(context) as SpanInvocation | undefined;
    return invocation?.owner === this.#pipeline ? invocation : (this.#batch ?? this.#unbound);
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, ...rest: unknown[]): ReturnType<F> {
    const fn = rest.pop() as F;
    const [options, context = activeContext()] = rest as [SpanOptions?, Context?];
    const span = this.startSpan(name, options, context);
    return withContext(this.contextWith(context, span), () => fn(span)) as ReturnType<F>;
  }

  contextWith(context: Context, span: Span): Context {
    return setSpan(context, span);
  }

  startInvocation(parent: Context = ROOT_CONTEXT): Invocation {
    return new SpanInvocation(this.#pipeline, parent.setValue(TRACER_KEY, this), this.#maxSpans);
  }

  async forceFlush(): Promise<void> {
    try {
      await this.#batch?.flush();
    } catch (error) {
      this.#pipeline.fail("batch", error);
    }
    await this.#unbound.flush();
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
    await this.#pipeline.close();
  }

  stats(): TracerStats {
    const { stats } = this.#pipeline;
    return { ...stats, dropped: { ...stats.dropped } };
  }
}

/**
 * Makes a tracer. One per process or isolate is enough; requests share it and have an invocation each.
 *
 * Throws `ERR_INVALID_OPTION` on a limit below zero, on `maxSpans` below one and on a sampler that is none.
 */
export function createTracer(options: TracerOptions = {}): BotanuTracer {
  return new LightTracer(options);
}

function globalValues(): Record<symbol, unknown> {
  return globalThis as never;
}

let passive: BotanuTracer | undefined;

/** Makes `tracer` the one that runs, steps and requests use where their context names no other. */
export function setTracer(tracer: BotanuTracer | undefined): void {
  globalValues()[TRACER_KEY] = tracer;
}

/** The context's tracer, else the one of `setTracer`, else one that records nothing. */
export function activeTracer(context: Context = activeContext()): BotanuTracer {
  return (
    (context.getValue(TRACER_KEY) as BotanuTracer | undefined) ??
    (globalValues()[TRACER_KEY] as BotanuTracer | undefined) ??
    (passive ??= createTracer({ disabled: true }))
  );
}
