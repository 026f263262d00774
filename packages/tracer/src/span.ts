// A span: the API's methods over plain fields, which are at the same time what an exporter reads.

import { SPAN_KEY } from "@botanu/core";
import { putAttributes } from "./limits.ts";
import { isTimeInput, readTime, toHrTime } from "./time.ts";
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
  readonly limits: SpanLimits;
  readonly now: Clock;
  /** Called at the end: first while the span can still be changed, then with where it is to be kept. */
  ending(span: RecordingSpan): void;
  ended(span: RecordingSpan, buffer: SpanStore): void;
  /** Told of what was given to a span and could not be kept. */
  readonly reject: (what: string) => void;
}

/** Where an ended span goes. */
export interface SpanStore {
  add(span: ReadableSpan): void;
}

/** Adds to a list that forgets its oldest; returns how many it forgot. */
function keep<T>(list: T[], item: T, limit: number): number {
  if (limit >= 1) list.push(item);
  else return 1;
  if (list.length <= limit) return 0;
  list.shift();
  return 1;
}

function exceptionAttributes(exception: Exception): Attributes {
  if (typeof exception === "string") return { "exception.message": exception };
  const type = exception.code ? String(exception.code) : exception.name;
  return {
    "exception.type": type || undefined,
    "exception.message": exception.message || undefined,
    "exception.stacktrace": exception.stack || undefined,
  };
}

/** A span that records. Times are numbers until somebody reads them. */
export class LightSpan implements RecordingSpan {
  name: string;
  readonly kind: number;
  readonly parentSpanContext?: SpanContext;
  readonly attributes: Attributes;
  status: SpanStatus = { code: 0 };
  ended = false;
  droppedAttributesCount = 0;
  droppedEventsCount = 0;
  droppedLinksCount = 0;
  #owner: SpanOwner;
  #store: SpanStore;
  #context: SpanContext;
  #start: number | HrTime;
  #end: number | HrTime | undefined;
  #links: Link[] | undefined;
  #events: TimedEvent[] | undefined;

  constructor(
    owner: SpanOwner,
    store: SpanStore,
    context: SpanContext,
    parent: SpanContext | undefined,
    name: string,
    kind: number,
    attributes: Attributes,
    startTime: TimeInput | undefined,
  ) {
    this.#owner = owner;
    this.#store = store;
    this.#context = context;
    if (parent) this.parentSpanContext = parent;
    this.name = name;
    this.kind = kind;
    this.attributes = attributes;
    this.#start = startTime == null ? owner.now() : readTime(startTime, owner.now);
  }

  get resource(): Resource {
    return this.#owner.resource;
  }

  get instrumentationScope(): InstrumentationScope {
    return this.#owner.scope;
  }

  get links(): Link[] {
    return (this.#links ??= []);
  }

  get events(): TimedEvent[] {
    return (this.#events ??= []);
  }

  get startTime(): HrTime {
    return (this.#start = toHrTime(this.#start));
  }

  /** Zero until the span ends; never before its start. */
  get endTime(): HrTime {
    if (this.#end === undefined) return [0, 0];
    const start = this.startTime;
    const end = toHrTime(this.#end);
    return (this.#end = end[0] < start[0] || (end[0] === start[0] && end[1] < start[1]) ? [start[0], start[1]] : end);
  }

  get duration(): HrTime {
    if (this.#end === undefined) return [-1, -1];
    const start = this.startTime;
    const end = this.endTime;
    const nanos = end[1] - start[1];
    return nanos < 0 ? [end[0] - start[0] - 1, nanos + 1e9] : [end[0] - start[0], nanos];
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return !this.ended;
  }

  setAttribute(key: string, value: AttributeValue): this {
    return this.setAttributes({ [key]: value });
  }

  setAttributes(attributes: Attributes): this {
    if (this.#open()) {
      const { attributeCountLimit, attributeValueLengthLimit } = this.#owner.limits;
      this.droppedAttributesCount += putAttributes(
        this.attributes,
        attributes,
        attributeCountLimit,
        attributeValueLengthLimit,
        this.#owner.reject,
      );
    }
    return this;
  }

  addEvent(name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): this {
    if (!this.#open()) return this;
    const { eventCountLimit, attributePerEventCountLimit } = this.#owner.limits;
    const given = isTimeInput(attributesOrStartTime) ? attributesOrStartTime : undefined;
    const time = toHrTime(readTime(isTimeInput(startTime) ? startTime : given, this.#owner.now));
    const attributes: Attributes = {};
    const droppedAttributesCount = this.#put(attributes, given ? {} : attributesOrStartTime, attributePerEventCountLimit);
    this.droppedEventsCount += keep(this.events, { name, time, attributes, droppedAttributesCount }, eventCountLimit);
    return this;
  }

  addLink(link: Link): this {
    if (!this.#open()) return this;
    const { linkCountLimit, attributePerLinkCountLimit } = this.#owner.limits;
    const attributes: Attributes = {};
    const dropped = this.#put(attributes, link.attributes, attributePerLinkCountLimit);
    const kept: Link = { context: link.context };
    if (Object.keys(attributes).length > 0) kept.attributes = attributes;
    if (dropped > 0) kept.droppedAttributesCount = dropped;
    this.droppedLinksCount += keep(this.links, kept, linkCountLimit);
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus(status: SpanStatus): this {
    if (status.code !== 0 && this.status.code !== 1 && this.#open()) {
      this.status = { code: status.code };
      if (status.code === 2 && typeof status.message === "string") this.status.message = status.message;
    }
    return this;
  }

  updateName(name: string): this {
    if (this.#open()) this.name = name;
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    const attributes = exceptionAttributes(exception);
    if (attributes["exception.type"] || attributes["exception.message"]) this.addEvent("exception", attributes, time);
    else this.#owner.reject("exception");
  }

  end(endTime?: TimeInput): void {
    if (!this.#open() || this.#end !== undefined) return;
    this.#end = endTime == null ? this.#owner.now() : readTime(endTime, this.#owner.now);
    this.#owner.ending(this);
    this.ended = true;
    this.#owner.ended(this, this.#store);
  }

  #put(target: Attributes, source: unknown, max: number): number {
    return putAttributes(target, source, max, this.#owner.limits.attributeValueLengthLimit, this.#owner.reject);
  }

  #open(): boolean {
    if (this.ended) this.#owner.reject("span ended");
    return !this.ended;
  }
}

/** A span that records nothing and hands its context on: a remote parent, or one that was not sampled. */
class PassiveSpan implements Span {
  #context: SpanContext;

  constructor(context: SpanContext) {
    this.#context = context;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return false;
  }

  setAttribute(): this {
    return this;
  }

  setAttributes(): this {
    return this;
  }

  addEvent(): this {
    return this;
  }

  addLink(): this {
    return this;
  }

  addLinks(): this {
    return this;
  }

  setStatus(): this {
    return this;
  }

  updateName(): this {
    return this;
  }

  end(): void {}

  recordException(): void {}
}

/** Says whether both ids are of the right length, hexadecimal and not all zero. */
export function isSpanContextValid(context: SpanContext): boolean {
  return /^(?!0+$)[\da-f]{32}$/i.test(context.traceId) && /^(?!0+$)[\da-f]{16}$/i.test(context.spanId);
}

/** Makes a span that records nothing of a span context, such as that of a remote parent. */
export function wrapSpanContext(spanContext: SpanContext): Span {
  return new PassiveSpan(spanContext);
}

/** The span that is active in a context, whoever made it. */
export function getSpan(context: Context): Span | undefined {
  return (context.getValue(SPAN_KEY) as Span | undefined) || undefined;
}

/** A context in which `span` is the parent of what starts. Prefer `tracer.contextWith`, which serves hosts too. */
export function setSpan(context: Context, span: Span): Context {
  return context.setValue(SPAN_KEY, span);
}
