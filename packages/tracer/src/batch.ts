// The buffer of a long-lived process: spans that belong to no invocation leave together, by number or after a while.

import { BotanuError } from "@botanu/core";
import type { ReadableSpan, SpanBuffer, SpanSink } from "./types.ts";

/** The defaults are those of the specification's batch processor, with a shorter delay. */
export interface BatchOptions {
  /** Spans that wait at most; newer ones are dropped and counted. Default 2,048. */
  readonly maxQueueSize?: number | undefined;
  /** Spans of one export. Reached, they leave at once. Default 512. */
  readonly maxExportBatchSize?: number | undefined;
  /** How long a span waits at most, in milliseconds. Default 1,000. */
  readonly scheduledDelayMillis?: number | undefined;
}

class BatchBuffer implements SpanBuffer {
  readonly #sink: SpanSink;
  readonly #maxQueue: number;
  readonly #maxBatch: number;
  readonly #delay: number;
  #spans: ReadableSpan[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #exports: Promise<unknown> = Promise.resolve();

  constructor(sink: SpanSink, options: BatchOptions) {
    const { maxQueueSize = 2048, maxExportBatchSize = 512, scheduledDelayMillis = 1000 } = options;
    if (!(maxExportBatchSize >= 1 && maxQueueSize >= maxExportBatchSize && scheduledDelayMillis >= 0)) {
      throw new BotanuError("ERR_INVALID_OPTION", "a batch holds at least one span and at most the queue");
    }
    this.#sink = sink;
    this.#maxQueue = maxQueueSize;
    this.#maxBatch = maxExportBatchSize;
    this.#delay = scheduledDelayMillis;
  }

  add(span: ReadableSpan): void {
    if (this.#spans.length >= this.#maxQueue) return this.#sink.drop(1);
    this.#spans.push(span);
    if (this.#spans.length === this.#maxBatch) void this.flush();
    else if (this.#timer === undefined) this.#schedule();
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.flush(), this.#delay);
    // A process that has nothing else to do ends; it flushes by itself if it wants these spans.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Exports run one after the other, so that a slow receiver fills the queue and not the memory. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const run = this.#exports.then(async () => {
      while (this.#spans.length > 0) await this.#sink.send(this.#spans.splice(0, this.#maxBatch));
    });
    this.#exports = run;
    return run;
  }
}

/**
 * Batches the spans of a long-lived process: give it to a tracer as `batch`. At the edge there is no need of it, and no timer to rely on.
 *
 * @throws BotanuError ERR_INVALID_OPTION on a batch larger than the queue, or a size below one
 * @see https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor
 */
export function batchSpans(options: BatchOptions = {}): (sink: SpanSink) => SpanBuffer {
  return (sink) => new BatchBuffer(sink, options);
}
