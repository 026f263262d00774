import type { ExportResult, OtlpTraceExporter } from "@botanu/otlp";
import type { ReadableSpan, SpanExporter } from "@botanu/tracer";

/** Spans that wait for the next invocation at most; the oldest go first. */
const MAX_KEPT = 2048;

/**
 * An exporter that makes one attempt per flush and keeps what a receiver did not take, for the next flush: waiting to try again would be
 * paid for.
 */
export class KeptExporter implements SpanExporter {
  readonly #inner: OtlpTraceExporter;
  #kept: ReadableSpan[] = [];
  #lost = 0;

  constructor(inner: OtlpTraceExporter) {
    this.#inner = inner;
  }

  /** Spans that wait, and spans that there was no room for. */
  stats(): { readonly kept: number; readonly lost: number } {
    return { kept: this.#kept.length, lost: this.#lost };
  }

  /** Tries once more with what waits. */
  async flush(): Promise<void> {
    const spans = this.#kept.splice(0);
    if (spans.length > 0) await this.#inner.send(spans);
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    const all = [...this.#kept.splice(0), ...spans];
    void this.#inner.send(all).then((result) => {
      const { code } = (result.error ?? {}) as { code?: string };
      if (result.code === 1 && code === "ERR_OTLP_RETRY_EXHAUSTED") this.#keep(all);
      done(result);
    });
  }

  #keep(spans: ReadableSpan[]): void {
    this.#kept.unshift(...spans);
    const over = this.#kept.length - MAX_KEPT;
    if (over > 0) this.#lost += this.#kept.splice(0, over).length;
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}
