// Everything a tracer calls that is not its own: processors and the exporter. What they throw is counted, said once,
// and goes no further.

import { diag, ROOT_CONTEXT, withContext } from "@botanu/core";
import type { SpanOwner, SpanStore } from "./span.ts";
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
  SpanSink,
  TracerOptions,
  TracerStats,
} from "./types.ts";

/** A context with this key set asks for no spans: the SDK's own key, so that its instrumentations let exports be. */
export const SUPPRESS_KEY: symbol = Symbol.for("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

/** Different texts that one tracer says; later ones are only counted. */
const MAX_WARNINGS = 100;

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Mutable<T[K]> };

function describe(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "unknown";
  }
}

/** Processors, exporter and numbers of one tracer. */
export class Pipeline implements SpanOwner, SpanSink {
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  readonly limits: SpanLimits;
  readonly now: Clock;
  readonly stats: Mutable<TracerStats>;
  readonly #options: TracerOptions;
  readonly #exporter: SpanExporter | undefined;
  readonly #said = new Set<string>();
  #closed = false;

  constructor(options: TracerOptions, resource: Resource, limits: SpanLimits, now: Clock) {
    this.#options = options;
    this.#exporter = options.exporter;
    this.resource = resource;
    this.scope = options.scope ?? { name: "botanu" };
    this.limits = limits;
    this.now = now;
    this.stats = { started: 0, ended: 0, exported: 0, errors: 0, dropped: { full: 0, failed: 0, shutdown: 0 } };
  }

  readonly reject = (what: string): void => {
    if (this.#said.size >= MAX_WARNINGS || this.#said.has(what)) return;
    this.#said.add(what);
    try {
      (this.#options.diag ?? diag()).warn(`botanu: ${what}`);
    } catch {
      // What a diagnostics sink throws has nowhere to go.
    }
  };

  fail(part: string, error: unknown): void {
    this.stats.errors++;
    this.reject(`${part} failed: ${describe(error)}`);
  }

  started(span: RecordingSpan, context: Context): void {
    this.stats.started++;
    for (const processor of this.#options.processors ?? []) {
      try {
        processor.onStart(span, context);
      } catch (error) {
        this.fail("processor", error);
      }
    }
  }

  ending(span: RecordingSpan): void {
    for (const processor of this.#options.processors ?? []) {
      try {
        processor.onEnding?.(span);
      } catch (error) {
        this.fail("processor", error);
      }
    }
  }

  ended(span: RecordingSpan, store: SpanStore): void {
    this.stats.ended++;
    for (const processor of this.#options.processors ?? []) {
      try {
        processor.onEnd(span);
      } catch (error) {
        this.fail("processor", error);
      }
    }
    if (!this.#exporter || !(span.spanContext().traceFlags & 1)) return;
    if (this.#closed) this.stats.dropped.shutdown++;
    else store.add(span);
  }

  drop(count: number): void {
    this.stats.dropped.full += count;
    this.reject("span buffer full");
  }

  async send(spans: ReadableSpan[]): Promise<void> {
    const exporter = this.#exporter;
    if (!exporter || spans.length === 0) return;
    try {
      if (this.resource.asyncAttributesPending) await this.resource.waitForAsyncAttributes?.();
      const result = await new Promise<ExportResult>((resolve, reject) => {
        const context = ROOT_CONTEXT.setValue(SUPPRESS_KEY, true);
        const answer: unknown = withContext(context, () => exporter.export(spans, resolve));
        // An exporter declared `async` reports what it throws here.
        Promise.resolve(answer).catch(reject);
      });
      if (result.code !== 0) throw result.error ?? new Error("export refused");
      this.stats.exported += spans.length;
    } catch (error) {
      this.stats.dropped.failed += spans.length;
      this.fail("exporter", error);
    }
  }

  /** Calls one method of every processor and of the exporter; resolves when all have answered. */
  async #all(method: "forceFlush" | "shutdown"): Promise<void> {
    const parts = [...(this.#options.processors ?? []), ...(this.#exporter ? [this.#exporter] : [])];
    await Promise.all(
      parts.map(async (part) => {
        try {
          await part[method]?.();
        } catch (error) {
          this.fail(method, error);
        }
      }),
    );
  }

  /** Flushes processors and exporter. */
  flush(): Promise<void> {
    return this.#all("forceFlush");
  }

  /** Ends processors and exporter; spans that end later are counted as dropped. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return this.#all("shutdown");
  }
}
