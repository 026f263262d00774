/** Seconds and nanoseconds since the Unix epoch, as OpenTelemetry JS keeps time. */
export type HrTime = readonly [number, number];

/** Attribute values of any type that an OTLP `AnyValue` can hold; `undefined` and `null` are sent as the empty value. */
export type Attributes = Readonly<Record<string, unknown>>;

/** The part of a W3C trace context that goes on the wire. Structurally OpenTelemetry's `SpanContext`. */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote?: boolean | undefined;
  readonly traceState?: { serialize(): string } | undefined;
}

export interface SpanStatus {
  /** 0 unset, 1 ok, 2 error. */
  readonly code: number;
  readonly message?: string | undefined;
}

export interface Link {
  readonly context: SpanContext;
  readonly attributes?: Attributes | undefined;
  readonly droppedAttributesCount?: number | undefined;
}

export interface TimedEvent {
  readonly time: HrTime;
  readonly name: string;
  readonly attributes?: Attributes | undefined;
  readonly droppedAttributesCount?: number | undefined;
}

/** Encoded once per object and then cached: treat it as immutable, as the OpenTelemetry specification asks. */
export interface Resource {
  readonly attributes: Attributes;
  readonly schemaUrl?: string | undefined;
  /** While true the encoded form is not cached, because attributes are still to come. */
  readonly asyncAttributesPending?: boolean | undefined;
}

/** Encoded once per object and then cached, like {@link Resource}. */
export interface InstrumentationScope {
  readonly name: string;
  readonly version?: string | undefined;
  readonly schemaUrl?: string | undefined;
  readonly attributes?: Attributes | undefined;
  readonly droppedAttributesCount?: number | undefined;
}

/**
 * An ended span. Every `ReadableSpan` of the OpenTelemetry SDKs (2.x and 3.x) is one structurally, so this package needs
 * neither of them.
 */
export interface ReadableSpan {
  readonly name: string;
  /** 0 internal, 1 server, 2 client, 3 producer, 4 consumer. */
  readonly kind: number;
  readonly spanContext: () => SpanContext;
  readonly parentSpanContext?: SpanContext | undefined;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly links: readonly Link[];
  readonly events: readonly TimedEvent[];
  readonly resource: Resource;
  readonly instrumentationScope: InstrumentationScope;
  readonly droppedAttributesCount: number;
  readonly droppedEventsCount: number;
  readonly droppedLinksCount: number;
}
