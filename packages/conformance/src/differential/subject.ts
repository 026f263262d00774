import { ROOT_CONTEXT, setRun, type RunContext } from "@botanu/core";
import { createTracer, setSpan, wrapSpanContext } from "@botanu/tracer";
import type { ReadableSpan, SpanProcessor, Tracer } from "@botanu/tracer";

import type { Program, Subject } from "./program.ts";

/** A processor that keeps what ends; it goes into our tracer and into both lines of the SDK alike. */
export class SpanCollector implements SpanProcessor {
  readonly ended: ReadableSpan[] = [];

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    this.ended.push(span);
  }

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** Our tracer, under the limits of a program; in a run when one is given. */
export function createOurs(limits: Program["limits"], run?: RunContext): Subject {
  const collector = new SpanCollector();
  const subject = subjectOf(createTracer({ limits, processors: [collector] }), collector);
  return run ? { ...subject, rootContext: setRun(ROOT_CONTEXT, run) } : subject;
}

/**
 * Any tracer whose spans end in `collector`. Contexts are ours on both sides: the key of the active span is
 * OpenTelemetry's, so that the SDK finds the parent in them.
 */
export function subjectOf(tracer: Tracer, collector: SpanCollector): Subject {
  return {
    startSpan: (name, options, context) => tracer.startSpan(name, options, context),
    rootContext: ROOT_CONTEXT,
    contextWith: (context, span) => setSpan(context, span),
    contextWithRemote: (context, spanContext) => setSpan(context, wrapSpanContext(spanContext)),
    ended: collector.ended,
  };
}
