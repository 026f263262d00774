import {
  type Context,
  getInvocation,
  type Invocation,
  type ReadableSpan,
  type RecordingSpan,
  type SpanProcessor,
  SpanStatusCode,
} from "@botanu/tracer";

/** Spans that are watched at most: those that never end must not pile up. */
const MAX_OPEN = 4096;

/** Knows which spans are open: when an invocation is about to be cut off, what it hangs in is what matters. */
export class OpenSpans implements SpanProcessor {
  readonly #open = new Map<ReadableSpan, Invocation>();

  onStart(span: RecordingSpan, context: Context): void {
    const invocation = getInvocation(context);
    if (invocation && this.#open.size < MAX_OPEN) this.#open.set(span, invocation);
  }

  onEnd(span: ReadableSpan): void {
    this.#open.delete(span);
  }

  /** Ends what an invocation has open, the innermost first, and forgets it. */
  end(invocation: Invocation): void {
    for (const [span, owner] of [...this.#open].reverse()) {
      if (owner !== invocation) continue;
      this.#open.delete(span);
      (span as RecordingSpan).setStatus({ code: SpanStatusCode.ERROR, message: "timeout" }).end();
    }
  }

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}
