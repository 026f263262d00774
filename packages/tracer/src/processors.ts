// Everything a tracer calls that is not its own: processors and the exporter. What they throw is counted, said once,
// and goes no further.

import { diag, ROOT_CONTEXT, withContext } from "@botanu/core";
import { resolveResource } from "./resource.ts";
import type { SpanOwner, SpanStore } from "./span.ts";
import { createClock } from "./time.ts";
import type { Clock } from "./time.ts";
import type {
  Context,
  ExportResult,
  InstrumentationScope,
  ReadableSpan,
  RecordingSpan,
  Resource,
  SpanExporter,
  SpanLimits,
  SpanProcessor,
  SpanSink,
  TracerOptions,
  TracerStats,
} from "./types.ts";

/** A context with this key set asks for no spans: the SDK's own key, so that its instrumentations let exports be. */
export const SUPPRESS_KEY: symbol = /* @__PURE__ */ Symbol.for("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

const SUPPRESSED = /* @__PURE__ */ ROOT_CONTEXT.setValue(SUPPRESS_KEY, true);

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Mutable<T[K]> };

/** Processors, exporter and numbers of one tracer. */
export class Pipeline implements SpanOwner, SpanSink {
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  readonly limits: Partial<SpanLimits>;
  readonly now: Clock;
  readonly counts: Mutable<TracerStats> = {
    started: 0,
    ended: 0,
    exported: 0,
    errors: 0,
    dropped: { full: 0, failed: 0, shutdown: 0 },
  };
  readonly #options: TracerOptions;
  readonly #processors: readonly SpanProcessor[];
  readonly #exporter: SpanExporter | undefined;
  readonly #said = new Set<string>();
  #closed = false;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#processors = options.processors ?? [];
    this.#exporter = options.exporter;
    this.resource = resolveResource(options.resource);
    this.scope = options.scope ?? { name: "botanu" };
    this.limits = options.limits ?? {};
    this.now = options.now ?? createClock();
  }

  /** Says a thing once of each kind. */
  readonly reject = (kind: string, what: unknown): void => {
    if (this.#said.has(kind)) return;
    this.#said.add(kind);
    try {
      (this.#options.diag ?? diag()).warn(`${kind}: ${String(what)}`);
    } catch {
      // Nor does a diag that throws, or an error that is no text, reach the application.
    }
  };

  /** Counts what a part threw. */
  fail(part: string, error: unknown): void {
    this.counts.errors++;
    this.reject(part, error);
  }

  #all(
    method: "forceFlush" | "shutdown",
    parts: readonly (SpanProcessor | SpanExporter | undefined)[],
  ): Promise<unknown> {
    return Promise.all(
      parts.map(async (part) => {
        try {
          await part?.[method]?.();
        } catch (error) {
          this.fail(method, error);
        }
      }),
    );
  }

  started(span: RecordingSpan, context: Context): void {
    this.counts.started++;
    for (const processor of this.#processors)
      try {
        processor.onStart(span, context);
      } catch (error) {
        this.fail("processor", error);
      }
  }

  ending(span: RecordingSpan): void {
    for (const processor of this.#processors)
      try {
        processor.onEnding?.(span);
      } catch (error) {
        this.fail("processor", error);
      }
  }

  ended(span: RecordingSpan, store: SpanStore): void {
    this.counts.ended++;
    for (const processor of this.#processors)
      try {
        processor.onEnd(span);
      } catch (error) {
        this.fail("processor", error);
      }
    if (!this.#exporter || !(span.spanContext().traceFlags & 1)) return;
    if (this.#closed) this.counts.dropped.shutdown++;
    else store.add(span);
  }

  drop(count: number): void {
    this.counts.dropped.full += count;
    this.reject("spans", "buffer full");
  }

  async send(spans: ReadableSpan[]): Promise<void> {
    if (!spans[0]) return;
    try {
      if (this.resource.asyncAttributesPending) await this.resource.waitForAsyncAttributes?.();
      const result = await new Promise<ExportResult>((resolve, reject) => {
        const answer: unknown = withContext(SUPPRESSED, () => this.#exporter?.export(spans, resolve));
        // An exporter that is declared `async` throws here.
        if (answer) Promise.resolve(answer).catch(reject);
      });
      if (result.code) throw result.error;
      this.counts.exported += spans.length;
    } catch (error) {
      this.counts.dropped.failed += spans.length;
      this.fail("exporter", error);
    }
  }

  /** Flushes the processors. What went to the exporter is waited for where it was sent. */
  flush(): Promise<unknown> | undefined {
    return this.#processors.length ? this.#all("forceFlush", this.#processors) : undefined;
  }

  /** Flushes the exporter. */
  drain(): Promise<unknown> {
    return this.#all("forceFlush", [this.#exporter]);
  }

  /** Ends processors and exporter. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#all("shutdown", [...this.#processors, this.#exporter]);
  }
}
