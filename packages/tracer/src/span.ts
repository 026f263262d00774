// A span: the API's methods over plain fields, which are at the same time what an exporter reads.

import { SPAN_KEY } from "@botanu/core";
import { DEFAULT_COUNT_LIMIT, putAttribute, putAttributes, takeAttributes } from "./limits.ts";
import type { Reject } from "./limits.ts";
import { fromMillis, isTimeInput, toHrTime } from "./time.ts";
import type { Clock } from "./time.ts";
import type {
  Attributes,
  AttributeValue,
  Context,
  Exception,
  HrTime,
  InstrumentationScope,
  Link,
  ReadableSpan,
  RecordingSpan,
  Resource,
  Span,
  SpanContext,
  SpanLimits,
  SpanStatus,
  TimedEvent,
  TimeInput,
} from "./types.ts";

/** What all spans of one tracer share. */
export interface SpanOwner {
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  readonly limits: Partial<SpanLimits>;
  readonly now: Clock;
  readonly reject: Reject;
  /** Called while the span can still be changed, and when it no longer can. */
  ending(span: RecordingSpan): void;
  ended(span: RecordingSpan, store: SpanStore): void;
}

/** Where ended spans go. */
export interface SpanStore {
  add(span: ReadableSpan): void;
}

const NO_TIME: HrTime = [0, 0];

/** Adds to a list that forgets its oldest; returns how many it forgot. */
function keep<T>(list: T[], item: T, limit = DEFAULT_COUNT_LIMIT): number {
  if (limit) list.push(item);
  if (limit && list.length <= limit) return 0;
  list.shift();
  return 1;
}

/**
 * A span. Made without an owner it has ended before it began: it records nothing and hands its context on, as a remote
 * parent does and a span that was not sampled.
 */
export class LightSpan implements RecordingSpan {
  readonly #context: SpanContext;
  readonly #owner: SpanOwner;
  readonly #store: SpanStore;
  readonly parentSpanContext?: SpanContext;
  name: string;
  readonly kind: number;
  readonly attributes: Attributes;
  readonly startTime: HrTime;
  /** Zero until the span ends, and never before its start. */
  endTime: HrTime = NO_TIME;
  duration: HrTime = NO_TIME;
  status: SpanStatus = { code: 0 };
  readonly links: Link[] = [];
  readonly events: TimedEvent[] = [];
  ended: boolean;
  droppedAttributesCount = 0;
  droppedEventsCount = 0;
  droppedLinksCount = 0;
  readonly resource: Resource;
  readonly instrumentationScope: InstrumentationScope;

  constructor(
    context: SpanContext,
    // Nothing asks for what is missing here: every method of an ended span returns before it would.
    owner: SpanOwner = {} as SpanOwner,
    store?: SpanStore,
    parent?: SpanContext,
    name = "",
    kind = 0,
    attributes: Attributes = {},
    startTime: HrTime = NO_TIME,
  ) {
    this.#context = context;
    this.#owner = owner;
    this.#store = store as SpanStore;
    if (parent) this.parentSpanContext = parent;
    this.name = name;
    this.kind = kind;
    this.attributes = attributes;
    this.startTime = startTime;
    this.ended = !store;
    this.resource = owner.resource;
    this.instrumentationScope = owner.scope;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return !this.ended;
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (this.ended) return this;
    const { limits, reject } = this.#owner;
    const { attributeCountLimit, attributeValueLengthLimit } = limits;
    const put = putAttribute(this.attributes, key, value, attributeCountLimit, attributeValueLengthLimit, reject);
    this.droppedAttributesCount += put;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    if (this.ended) return this;
    const { limits, reject } = this.#owner;
    const { attributeCountLimit, attributeValueLengthLimit } = limits;
    const put = putAttributes(this.attributes, attributes, attributeCountLimit, attributeValueLengthLimit, reject);
    this.droppedAttributesCount += put;
    return this;
  }

  addEvent(name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): this {
    if (this.ended) return this;
    const { limits, now } = this.#owner;
    const isTime = isTimeInput(attributesOrStartTime);
    const given = isTime && !isTimeInput(startTime) ? attributesOrStartTime : startTime;
    const event = {
      name,
      time: given == null ? fromMillis(now()) : toHrTime(given, now),
      ...this.#take(isTime ? undefined : attributesOrStartTime, limits.attributePerEventCountLimit),
    };
    this.droppedEventsCount += keep(this.events, event, limits.eventCountLimit);
    return this;
  }

  addLink(link: Link): this {
    // A link that leads nowhere would only break the exporter.
    if (this.ended || !link?.context) return this;
    const { limits } = this.#owner;
    const kept = { context: link.context, ...this.#take(link.attributes, limits.attributePerLinkCountLimit) };
    this.droppedLinksCount += keep(this.links, kept, limits.linkCountLimit);
    return this;
  }

  addLinks(links: Link[]): this {
    if (Array.isArray(links)) for (const link of links) this.addLink(link);
    return this;
  }

  setStatus(status: SpanStatus): this {
    const { code, message } = status ?? {};
    if (!this.ended && code && this.status.code !== 1)
      this.status = code === 2 && typeof message === "string" ? { code, message } : { code };
    return this;
  }

  updateName(name: string): this {
    if (!this.ended) this.name = name;
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    if (this.ended) return;
    try {
      const { code, name, message, stack } = typeof exception === "string" ? { message: exception } : exception;
      const type = code ? String(code) : name;
      const attributes = { "exception.type": type, "exception.message": message, "exception.stacktrace": stack };
      if (type || message) this.addEvent("exception", attributes, time);
    } catch {
      // What was thrown may throw when it is looked at, or be nothing at all.
      this.#owner.reject("exception", "unreadable");
    }
  }

  end(endTime?: TimeInput): void {
    // The second condition is for a processor that ends the span while it is told of its end.
    if (this.ended || this.endTime !== NO_TIME) return;
    const { now } = this.#owner;
    const start = this.startTime;
    let end = endTime == null ? fromMillis(now()) : toHrTime(endTime, now);
    let seconds = end[0] - start[0];
    let nanos = end[1] - start[1];
    if (nanos < 0) {
      seconds--;
      nanos += 1e9;
    }
    if (seconds < 0) {
      seconds = nanos = 0;
      end = [start[0], start[1]];
    }
    this.endTime = end;
    this.duration = [seconds, nanos];
    this.#owner.ending(this);
    this.ended = true;
    this.#owner.ended(this, this.#store);
  }

  #take(source: unknown, max: number | undefined): { attributes: Attributes; droppedAttributesCount: number } {
    return takeAttributes(source, max, this.#owner.limits.attributeValueLengthLimit, this.#owner.reject);
  }
}

/** Says whether both ids are of the right length, hexadecimal and not all zero. */
export function isSpanContextValid(context: SpanContext): boolean {
  return /^(?!0+$)[\da-f]{32}$/i.test(context.traceId) && /^(?!0+$)[\da-f]{16}$/i.test(context.spanId);
}

/** Makes a span that records nothing of a span context, such as that of a remote parent. */
export function wrapSpanContext(spanContext: SpanContext): Span {
  return new LightSpan(spanContext);
}

/** The span that is active in a context, whoever made it. */
export function getSpan(context: Context): Span | undefined {
  return (context.getValue(SPAN_KEY) as Span | undefined) || undefined;
}

/** A context in which `span` is the parent of what starts. Prefer `tracer.contextWith`, which serves hosts too. */
export function setSpan(context: Context, span: Span): Context {
  return context.setValue(SPAN_KEY, span);
}
