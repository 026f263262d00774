// The shapes of the OpenTelemetry API and SDK, written out so that no package of either has to be installed.
// Values are as narrow as API 1.9 has them; API 1.10 widens attribute values to `unknown`, so what the tracer
// takes from outside (`ForeignSampler`, `ForeignResource`) is typed that wide.

import type { Context, DestinationOptions, Diag, SpanContext } from "@botanu/core";

export type { Context, SpanContext, TraceState } from "@botanu/core";

/** A value of an attribute: a primitive, or an array of one primitive type that may have gaps. */
export type AttributeValue =
  | string
  | number
  | boolean
  | Array<null | undefined | string>
  | Array<null | undefined | number>
  | Array<null | undefined | boolean>;

/** Attributes by name; an undefined value is no attribute. */
export interface Attributes {
  [key: string]: AttributeValue | undefined;
}

/** Seconds and nanoseconds since the Unix epoch; for a duration, its length. */
export type HrTime = [number, number];

/** A point in time: `HrTime`, a `Date`, epoch milliseconds, or a `performance.now()` reading. */
export type TimeInput = HrTime | number | Date;

/** The kinds of a span, by the numbers of the OpenTelemetry API. */
export const SpanKind = { INTERNAL: 0, SERVER: 1, CLIENT: 2, PRODUCER: 3, CONSUMER: 4 } as const;

/** The codes of a span's status, by the numbers of the OpenTelemetry API. */
export const SpanStatusCode = { UNSET: 0, OK: 1, ERROR: 2 } as const;

/** What a sampler may decide, by the numbers of the OpenTelemetry SDK. */
export const SamplingDecision = { NOT_RECORD: 0, RECORD: 1, RECORD_AND_SAMPLED: 2 } as const;

/** How a span went; `message` only says something beside an error. */
export interface SpanStatus {
  code: number;
  message?: string;
}

/** A reference to another span, of this trace or of another. */
export interface Link {
  context: SpanContext;
  attributes?: Attributes;
  droppedAttributesCount?: number;
}

/** Something that happened at one moment of a span. */
export interface TimedEvent {
  time: HrTime;
  name: string;
  attributes?: Attributes;
  droppedAttributesCount?: number;
}

interface ExceptionFields {
  code?: string | number;
  name?: string;
  message?: string;
  stack?: string;
}

/** What `recordException` takes: a text, or anything with a code, a name or a message. */
export type Exception =
  | string
  | (ExceptionFields & { code: string | number })
  | (ExceptionFields & { message: string })
  | (ExceptionFields & { name: string });

/** How a span starts. */
export interface SpanOptions {
  kind?: number;
  attributes?: Attributes;
  links?: Link[];
  startTime?: TimeInput;
  /** Starts a new trace, whatever span the context has. */
  root?: boolean;
}

/** The API half of a span: what code that is being traced may do with it. */
export interface Span {
  spanContext(): SpanContext;
  setAttribute(key: string, value: AttributeValue): this;
  setAttributes(attributes: Attributes): this;
  addEvent(name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): this;
  addLink(link: Link): this;
  addLinks(links: Link[]): this;
  setStatus(status: SpanStatus): this;
  updateName(name: string): this;
  end(endTime?: TimeInput): void;
  isRecording(): boolean;
  recordException(exception: Exception, time?: TimeInput): void;
}

/** What made a span: the name and version of the instrumentation. */
export interface InstrumentationScope {
  readonly name: string;
  readonly version?: string;
  readonly schemaUrl?: string;
}

/** A resource attribute before its value is known. */
export type RawResourceAttribute = [string, AttributeValue | undefined | Promise<AttributeValue | undefined>];

/** What the spans come from: a service, its version, the place it runs in. */
export interface Resource {
  readonly asyncAttributesPending?: boolean;
  readonly attributes: Attributes;
  readonly schemaUrl?: string;
  waitForAsyncAttributes?(): Promise<void>;
  /** A new resource with the attributes of both; `other` wins. */
  merge(other: Resource | null): Resource;
  getRawAttributes(): RawResourceAttribute[];
}

/** The SDK half of a span: what processors and exporters read. */
export interface ReadableSpan {
  readonly name: string;
  readonly kind: number;
  readonly spanContext: () => SpanContext;
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly links: Link[];
  readonly events: TimedEvent[];
  readonly duration: HrTime;
  readonly ended: boolean;
  readonly resource: Resource;
  readonly instrumentationScope: InstrumentationScope;
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
  readonly droppedLinksCount: number;
}

/** Both halves: what a processor is given when a span starts. */
export type RecordingSpan = Span & ReadableSpan;

/** Sees every recording span start and end. What it throws is counted and goes no further. */
export interface SpanProcessor {
  forceFlush(): Promise<void>;
  onStart(span: RecordingSpan, parentContext: Context): void;
  onEnding?(span: RecordingSpan): void;
  onEnd(span: ReadableSpan): void;
  shutdown(): Promise<void>;
}

/** How an export went: 0 is success, anything else a failure. */
export interface ExportResult {
  code: number;
  error?: Error;
}

/** Sends finished spans somewhere, and answers once. */
export interface SpanExporter {
  export(spans: ReadableSpan[], resultCallback: (result: ExportResult) => void): void;
  shutdown(): Promise<void>;
  forceFlush?(): Promise<void>;
}

/** A sampler's decision, one of `SamplingDecision`, and what it adds to the span. */
export interface SamplingResult {
  decision: number;
  attributes?: Readonly<Attributes>;
  traceState?: NonNullable<SpanContext["traceState"]>;
}

/** Decides, as a span starts, whether it is recorded and sent. */
export interface Sampler {
  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: number,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult;
  toString(): string;
}

/** A sampler of any line of the OpenTelemetry SDK. */
export interface ForeignSampler {
  shouldSample(...call: Parameters<Sampler["shouldSample"]>): Omit<SamplingResult, "attributes"> & {
    attributes?: Readonly<Record<string, unknown>>;
  };
}

/** A resource of any line of the OpenTelemetry SDK. */
export interface ForeignResource {
  readonly asyncAttributesPending?: boolean;
  readonly attributes: Record<string, unknown>;
  readonly schemaUrl?: string;
  waitForAsyncAttributes?(): Promise<void>;
  getRawAttributes(): Array<[string, unknown]>;
}

/** The OpenTelemetry API's tracer. */
export interface Tracer {
  startSpan(name: string, options?: SpanOptions, context?: Context): Span;
  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(name: string, options: SpanOptions, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
}

/**
 * How much one span may hold. Defaults are those of the
 * {@link https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits | OpenTelemetry specification}.
 */
export interface SpanLimits {
  /** Characters of a text value; longer ones are cut. Default: no limit. */
  readonly attributeValueLengthLimit: number;
  /** Attributes of a span. Default 128. */
  readonly attributeCountLimit: number;
  /** Links of a span; the oldest go. Default 128. */
  readonly linkCountLimit: number;
  /** Events of a span; the oldest go. Default 128. */
  readonly eventCountLimit: number;
  /** Attributes of an event. Default 128. */
  readonly attributePerEventCountLimit: number;
  /** Attributes of a link. Default 128. */
  readonly attributePerLinkCountLimit: number;
}

/** Where a tracer's numbers stand since it was made. */
export interface TracerStats {
  /** Recording spans started and ended. */
  readonly started: number;
  readonly ended: number;
  /** Sampled spans that the exporter took with success. */
  readonly exported: number;
  /** Sampled spans that were lost, by reason. */
  readonly dropped: {
    /** The buffer had reached `maxSpans`. */
    readonly full: number;
    /** The exporter failed or threw. */
    readonly failed: number;
    /** They ended after `shutdown`. */
    readonly shutdown: number;
  };
  /** What processors, samplers and exporters threw. */
  readonly errors: number;
}

/** A buffer for ended spans outside any invocation, as `batchSpans` makes it. */
export interface SpanBuffer {
  add(span: ReadableSpan): void;
  /** Sends all that is buffered; resolves when the exporter has answered. */
  flush(): Promise<void>;
}

/** What a buffer hands its spans to. Never rejects. */
export interface SpanSink {
  send(spans: ReadableSpan[]): Promise<void>;
  /** Counts spans that the buffer had no room for. */
  drop(count: number): void;
}

/** Options of `createTracer`. */
export interface TracerOptions {
  /** Attributes are laid over the defaults (`defaultResource`); a finished resource is taken as it is. */
  readonly resource?: ForeignResource | Attributes | undefined;
  /** Default: `alwaysOn`. */
  readonly sampler?: ForeignSampler | undefined;
  readonly limits?: Partial<SpanLimits> | undefined;
  readonly processors?: readonly SpanProcessor[] | undefined;
  /** Gets the sampled spans of each invocation in one call. */
  readonly exporter?: SpanExporter | undefined;
  /** Buffers the spans of a long-lived process: `batchSpans()`. Without it they leave as they end. */
  readonly batch?: ((sink: SpanSink) => SpanBuffer) | undefined;
  /** Ended spans that one invocation holds; more are dropped and counted. Default 2,048. */
  readonly maxSpans?: number | undefined;
  /** Records nothing: the parent's context passes through unchanged. Run context still propagates. */
  readonly disabled?: boolean | undefined;
  /** Epoch milliseconds, fractions welcome. */
  readonly now?: (() => number) | undefined;
  readonly scope?: InstrumentationScope | undefined;
  readonly diag?: Diag | undefined;
  readonly propagateTo?: DestinationOptions["propagateTo"];
  readonly traceTo?: DestinationOptions["traceTo"];
}

/** A tracer that knows runs and invocations. */
export interface BotanuTracer extends Tracer {
  readonly resource: Resource;
  /** Where outgoing requests may carry context, as it was configured. */
  readonly destinations: DestinationOptions;
  /**
   * The context for code below `span`: always use this, not `setValue`, to make a span active. A tracer that stands
   * for a host's also shows the host the run (as OpenTelemetry Baggage).
   */
  contextWith(context: Context, span: Span): Context;
  /** Starts the buffer of one request; `parent` defaults to the root context. */
  startInvocation(parent?: Context): Invocation;
  /** Sends what is buffered outside invocations. Never rejects. */
  forceFlush(): Promise<void>;
  /** Flushes, then ends processors and exporter; later spans are counted as dropped. Never rejects. */
  shutdown(): Promise<void>;
  stats(): TracerStats;
}

/** One request, event or message batch: its spans leave together. */
export interface Invocation {
  /** Start the invocation's spans in this context, or below it. */
  readonly context: Context;
  /** Lets `flush` wait for work that goes on after the answer. */
  track(promise: PromiseLike<unknown>): void;
  /**
   * Waits for the tracked promises, then exports the ended spans in one call. Never rejects.
   *
   * With `deadlineMillis` it resolves within that time: tracked promises get at most half of it, the export the rest.
   * Without, no timer is made and the host's own limit holds (30 s in a Worker's `waitUntil`).
   */
  flush(deadlineMillis?: number): Promise<void>;
}
