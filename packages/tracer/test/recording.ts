import { setDiag } from "@botanu/core";
import { afterEach, beforeEach, expect } from "vitest";
import { createTracer, setTracer } from "../src/tracer.ts";
import type { BotanuTracer, ReadableSpan, TracerOptions } from "../src/types.ts";

/** What the spans and the diag of one test came to. */
export interface Recording {
  /** Ended spans, in the order of their ends. */
  spans: ReadableSpan[];
  /** What was said to diag. */
  warnings: string[];
  tracer: BotanuTracer;
  /** Another tracer whose spans are recorded too. */
  withOptions(options: TracerOptions): BotanuTracer;
}

/** Gives every test of a file a tracer, as the default one, and a diag of its own. */
export function recordEachTest(): Recording {
  const withOptions = (options: TracerOptions): BotanuTracer => {
    const onEnd = (span: ReadableSpan): void => void recording.spans.push(span);
    const processor = { onStart() {}, onEnd, forceFlush: async () => {}, shutdown: async () => {} };
    return createTracer({ processors: [processor], ...options });
  };
  const recording: Recording = { spans: [], warnings: [], tracer: createTracer(), withOptions };
  const note = (message: string): void => void recording.warnings.push(message);
  beforeEach(() => {
    recording.spans = [];
    recording.warnings = [];
    recording.tracer = withOptions({});
    setTracer(recording.tracer);
    setDiag({ warn: note, error: note });
  });
  afterEach(() => {
    setTracer(undefined);
    setDiag();
  });
  return recording;
}

/** The one span that there is. */
export function only(spans: readonly ReadableSpan[]): ReadableSpan {
  expect(spans).toHaveLength(1);
  return spans[0] as ReadableSpan;
}

/** The attributes of a run span's one event `botanu.run.completed`. */
export function completed(span: ReadableSpan): Record<string, unknown> {
  return only(span.events.filter((event) => event.name === "botanu.run.completed") as never[]).attributes as Record<
    string,
    unknown
  >;
}

/** The names of the spans that have an exception, once for each. */
export function exceptions(spans: readonly ReadableSpan[]): string[] {
  return spans.flatMap((span) => span.events.filter(({ name }) => name === "exception").map(() => span.name));
}

/** Throws what it is given. */
export function fail(error: unknown): never {
  throw error;
}
