import type { SpanExporter } from "@opentelemetry/sdk-trace-base";

type ExportResult = Parameters<Parameters<SpanExporter["export"]>[1]>[0];
type ReadableSpans = Parameters<SpanExporter["export"]>[0];

/**
 * An exporter whose exports can be given up. The SDK holds the process with a timer for each export that has not
 * answered; an unreachable receiver must not keep a process from ending.
 */
export class BoundedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #onAbandon: () => void;
  readonly #pending = new Map<(result: ExportResult) => void, Promise<void>>();

  /** `onAbandon` ends what `exporter` has under way. */
  constructor(exporter: SpanExporter, onAbandon: () => void = () => undefined) {
    this.#exporter = exporter;
    this.#onAbandon = onAbandon;
  }

  export(spans: ReadableSpans, done: (result: ExportResult) => void): void {
    let settle = (): void => undefined;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const once = (result: ExportResult): void => {
      if (!this.#pending.delete(once)) return;
      settle();
      done(result);
    };
    this.#pending.set(once, settled);
    try {
      this.#exporter.export(spans, once);
    } catch (error) {
      once({ code: 1, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  /** Waits for the exports under way, until they answer or are given up, and holds the process no longer than that. */
  async forceFlush(): Promise<void> {
    await Promise.all(this.#pending.values());
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  /** Fails every export under way. */
  abandon(): void {
    this.#onAbandon();
    for (const done of this.#pending.keys())
      done({ code: 1, error: new Error("given up, because the process is ending") });
  }
}

/** A `fetch` whose requests under way can all be aborted; later ones go on. */
export function abortableFetch(send: typeof fetch): { readonly fetch: typeof fetch; readonly abort: () => void } {
  let closing = new AbortController();
  return {
    fetch: (input, init = {}) => {
      const signal = init.signal ? AbortSignal.any([init.signal, closing.signal]) : closing.signal;
      return send(input, { ...init, signal });
    },
    abort() {
      closing.abort();
      closing = new AbortController();
    },
  };
}
