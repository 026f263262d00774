// A program of calls on the tracing API, as data. It is performed on two tracers, and their finished spans compared.

import type {
  Attributes,
  Context,
  Exception,
  HrTime,
  Link,
  ReadableSpan,
  Span,
  SpanContext,
  SpanLimits,
  SpanOptions,
  SpanStatus,
  TimeInput,
} from "@botanu/tracer";

/** One call. `on` numbers the spans of a program in the order of their start. */
export type Call =
  | {
      readonly call: "start";
      readonly name: string;
      /** A span of this program, one from elsewhere, or none. */
      readonly parent?: number | "remote" | "unsampled";
      readonly options?: SpanOptions;
    }
  | { readonly call: "setAttribute"; readonly on: number; readonly key: string; readonly value: unknown }
  | { readonly call: "setAttributes"; readonly on: number; readonly attributes: Readonly<Record<string, unknown>> }
  | {
      readonly call: "addEvent";
      readonly on: number;
      readonly name: string;
      readonly attributes?: Readonly<Record<string, unknown>>;
      readonly time: TimeInput;
    }
  | { readonly call: "addLink"; readonly on: number; readonly link: Link }
  | { readonly call: "addLinks"; readonly on: number; readonly links: Link[] }
  | { readonly call: "setStatus"; readonly on: number; readonly status: SpanStatus }
  | { readonly call: "updateName"; readonly on: number; readonly name: string }
  | { readonly call: "recordException"; readonly on: number; readonly exception: unknown; readonly time: TimeInput }
  | { readonly call: "end"; readonly on: number; readonly time: TimeInput };

/** A titled program, and the limits of the tracer it runs on. */
export interface Program {
  readonly title: string;
  readonly limits?: Partial<SpanLimits>;
  readonly calls: readonly Call[];
}

/** A tracer under comparison. */
export interface Subject {
  startSpan(name: string, options: SpanOptions, context: Context): Span;
  readonly rootContext: Context;
  contextWith(context: Context, span: Span): Context;
  /** A context whose span came from another process. */
  contextWithRemote(context: Context, spanContext: SpanContext): Context;
  /** The spans that a processor was given, in the order in which they ended. */
  readonly ended: readonly ReadableSpan[];
}

/** The parents from elsewhere that a program may name. */
export const REMOTE: Readonly<Record<"remote" | "unsampled", SpanContext>> = {
  remote: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1, isRemote: true },
  unsampled: { traceId: "0af7651916cd43dd8448eb211c80319d", spanId: "b7ad6b7169203332", traceFlags: 0, isRemote: true },
};

/** Performs a program and describes what it left behind. */
export function perform(program: Program, subject: Subject): SpanDescription[] {
  const spans: Span[] = [];
  for (const each of program.calls) {
    if (each.call === "start") {
      spans.push(subject.startSpan(each.name, each.options ?? {}, contextOf(each.parent, spans, subject)));
      continue;
    }
    const span = spans[each.on];
    if (span === undefined) throw new Error(`${program.title}: no span ${each.on} yet`);
    callOn(span, each);
  }
  return subject.ended.map((span) => describeSpan(span, spans));
}

function contextOf(
  parent: number | "remote" | "unsampled" | undefined,
  spans: readonly Span[],
  subject: Subject,
): Context {
  if (parent === undefined) return subject.rootContext;
  if (typeof parent === "string") return subject.contextWithRemote(subject.rootContext, REMOTE[parent]);
  const span = spans[parent];
  if (span === undefined) throw new Error(`no span ${parent} to be a parent`);
  return subject.contextWith(subject.rootContext, span);
}

function callOn(span: Span, call: Exclude<Call, { call: "start" }>): void {
  switch (call.call) {
    // Programs hand over what an untyped caller may hand over; the interface is narrower on purpose.
    case "setAttribute":
      return void span.setAttribute(call.key, call.value as string);
    case "setAttributes":
      return void span.setAttributes(call.attributes as Attributes);
    case "addEvent":
      return void (call.attributes
        ? span.addEvent(call.name, call.attributes as Attributes, call.time)
        : span.addEvent(call.name, call.time));
    case "addLink":
      return void span.addLink(call.link);
    case "addLinks":
      return void span.addLinks(call.links);
    case "setStatus":
      return void span.setStatus(call.status);
    case "updateName":
      return void span.updateName(call.name);
    case "recordException":
      return span.recordException(call.exception as Exception, call.time);
    case "end":
      return span.end(call.time);
  }
}

/** A finished span without what is random: ids are replaced by what they refer to. */
export interface SpanDescription {
  readonly name: string;
  readonly kind: number;
  /** The number of the span in the program. */
  readonly index: number;
  /** The number of the parent, the id of one from elsewhere, or "none". */
  readonly parent: number | string;
  readonly parentIsRemote: boolean;
  /** The number of the first span of the same trace, or the trace id of a parent from elsewhere. */
  readonly trace: number | string;
  readonly sampled: boolean;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly ended: boolean;
  readonly status: SpanStatus;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly unknown[];
  readonly links: readonly unknown[];
  readonly dropped: { readonly attributes: number; readonly events: number; readonly links: number };
}

function describeSpan(span: ReadableSpan, all: readonly Span[]): SpanDescription {
  const { traceId, spanId, traceFlags } = span.spanContext();
  const parent = span.parentSpanContext;
  const parentIndex = all.findIndex((each) => each.spanContext().spanId === parent?.spanId);
  const remote = Object.values(REMOTE).find((each) => each.traceId === traceId);
  return {
    name: span.name,
    kind: span.kind,
    index: all.findIndex((each) => each.spanContext().spanId === spanId),
    parent: parent === undefined ? "none" : parentIndex >= 0 ? parentIndex : parent.spanId,
    parentIsRemote: parent?.isRemote === true,
    trace: remote?.traceId ?? all.findIndex((each) => each.spanContext().traceId === traceId),
    sampled: (traceFlags & 1) === 1,
    startTime: span.startTime,
    endTime: span.endTime,
    duration: span.duration,
    ended: span.ended,
    status: withoutUndefined(span.status),
    attributes: { ...span.attributes },
    events: span.events.map((event) => ({
      name: event.name,
      time: event.time,
      attributes: withoutStack(event.attributes ?? {}),
      dropped: event.droppedAttributesCount ?? 0,
    })),
    links: span.links.map((link) => ({
      to: link.context.spanId,
      attributes: link.attributes ?? {},
      dropped: link.droppedAttributesCount ?? 0,
    })),
    dropped: {
      attributes: span.droppedAttributesCount,
      events: span.droppedEventsCount,
      links: span.droppedLinksCount,
    },
  };
}

function withoutUndefined(status: SpanStatus): SpanStatus {
  return status.message === undefined ? { code: status.code } : { code: status.code, message: status.message };
}

/** A stack names files of this machine: that there is one is compared, not its text. */
function withoutStack(attributes: Attributes): Attributes {
  if (typeof attributes["exception.stacktrace"] !== "string") return { ...attributes };
  return { ...attributes, "exception.stacktrace": "(a stack)" };
}
