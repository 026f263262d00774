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
import { getInvocation, SpanInvocation } from "./invocation.ts";
import { cloneAttributes, DEFAULT_COUNT_LIMIT, putAttributes } from "./limits.ts";
import { Pipeline, SUPPRESS_KEY } from "./processors.ts";
import { getSpan, isSpanContextValid, LightSpan, setSpan, wrapSpanContext } from "./span.ts";
import type { SpanStore } from "./span.ts";
import { fromMillis, toHrTime } from "./time.ts";
import type {
  Attributes,
  BotanuTracer,
  Context,
  Invocation,
  Link,
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

const NOTHING: Attributes = {};

// Attributes that a run may stamp.
const STAMPS = 8;

/** Ended spans that an invocation holds unless `maxSpans` says otherwise. */
const DEFAULT_MAX_SPANS = 2048;

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

function validContext(span: Span): SpanContext | undefined {
  const context = span.spanContext();
  return span instanceof LightSpan || isSpanContextValid(context) ? context : undefined;
}

class LightTracer extends Pipeline implements BotanuTracer {
  readonly destinations: DestinationOptions;
  readonly #options: TracerOptions;
  readonly #maxSpans: number;
  /** Where the spans of no invocation go; without a batch they leave as they end. */
  readonly #unbound: SpanInvocation;
  readonly #batch: SpanBuffer | undefined;

  constructor(options: TracerOptions) {
    super(options);
    const { maxSpans = DEFAULT_MAX_SPANS } = options;
    for (const limit of [maxSpans, ...Object.values(this.limits)])
      if (!(limit >= 0)) throw new BotanuError("ERR_INVALID_OPTION", "a limit is not a number from 0");
    this.destinations = this.#options = options;
    this.#maxSpans = maxSpans;
    this.#unbound = new SpanInvocation(this, ROOT_CONTEXT, maxSpans, true);
    this.#batch = options.batch?.(this);
  }

  startSpan(name: string, options: SpanOptions = {}, context: Context = activeContext()): Span {
    const below = options.root ? context.deleteValue(SPAN_KEY) : context;
    const above = getSpan(below);
    const parent = above && validContext(above);
    if (this.#options.disabled || below.getValue(SUPPRESS_KEY))
      // The parent's context in a span of its own: whoever ends this must not end that.
      return wrapSpanContext((this.#options.disabled && parent) || INVALID);
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
    const { kind = 0, links } = options;
    const { attributeCountLimit = DEFAULT_COUNT_LIMIT, attributeValueLengthLimit } = this.limits;
    const run = getRun(context);
    const clone = attributeValueLengthLimit
      ? undefined
      : cloneAttributes(options.attributes, attributeCountLimit - STAMPS);
    const attributes = clone ?? {};
    // Before what has to be checked, so that the limit takes of that.
    if (run) stampRun(attributes, run);
    const dropped = clone
      ? 0
      : putAttributes(attributes, options.attributes, attributeCountLimit, attributeValueLengthLimit, this.reject);
    const added = this.#sample(context, spanContext, name, kind, attributes, links);
    if (!added) return wrapSpanContext(spanContext);
    const time = options.startTime == null ? fromMillis(this.now()) : toHrTime(options.startTime, this.now);
    const span = new LightSpan(spanContext, this, this.#store(context), parent, name, kind, attributes, time);
    span.droppedAttributesCount = dropped;
    if (added !== NOTHING) span.setAttributes(added);
    if (links) span.addLinks(links);
    this.started(span, context);
    return span;
  }

  /** Asks the sampler, and writes its answer into `spanContext`. Returns what it adds; undefined: not recorded. */
  #sample(
    context: Context,
    spanContext: Writable<SpanContext>,
    name: string,
    kind: number,
    attributes: Attributes,
    links: Link[] = [],
  ): Attributes | undefined {
    const { sampler } = this.#options;
    if (sampler)
      try {
        const result = sampler.shouldSample(context, spanContext.traceId, name, kind, attributes, links);
        if (result.decision < 2) spanContext.traceFlags &= 2;
        if (result.traceState) spanContext.traceState = result.traceState;
        return result.decision ? ((result.attributes as Attributes) ?? NOTHING) : undefined;
      } catch (error) {
        // A span too many is better than a run that is not seen.
        this.fail("sampler", error);
      }
    return NOTHING;
  }

  #store(context: Context): SpanStore {
    const invocation = getInvocation(context) as SpanInvocation | undefined;
    return invocation?.owner === this ? invocation : (this.#batch ?? this.#unbound);
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
    // Whatever stopped the process between two requests may have stopped the monotonic clock too.
    this.now(true);
    return new SpanInvocation(this, parent.setValue(TRACER_KEY, this), this.#maxSpans);
  }

  async forceFlush(): Promise<void> {
    await this.#batch?.flush();
    await this.#unbound.flush();
    await this.drain();
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
    await this.close();
  }

  stats(): TracerStats {
    return structuredClone(this.counts);
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
