import { gzip } from "./body.ts";
import { OtlpExportError, type DropReason } from "./error.ts";
import { jsonSerializer } from "./json.ts";
import { resolveTarget, type OtlpExporterOptions } from "./options.ts";
import { post, type Limit, type Payload, type Route } from "./post.ts";
import type { ReadableSpan } from "./span.ts";

/** Structurally OpenTelemetry's: 0 success, 1 failure. */
export interface ExportResult {
  code: 0 | 1;
  error?: Error;
}

/** Counters since construction. `sent` plus all of `dropped` plus `pendingSpans` is every span ever handed over. */
export interface OtlpExporterStats {
  /** Spans that a receiver took. */
  readonly sent: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly requests: number;
  readonly retries: number;
  readonly pendingSpans: number;
  readonly pendingBytes: number;
}

/** One `send` under way. Nothing in it belongs to another request, so an isolate may run or abandon each on its own. */
interface Batch extends Limit {
  readonly spans: number;
  readonly deadline: number;
  bytes: number;
  done?: Promise<OtlpExportError | undefined>;
}

/** Longer delays make timers fire at once. */
const MAX_DELAY = 2 ** 31 - 1;
const MINUTE = 60_000;
/** Starting a compressor costs more than a request of one or two spans could save. */
const COMPRESS_FROM = 4096;
const RETRYABLE = [429, 502, 503, 504];

function timer(action: () => void, millis: number): ReturnType<typeof setTimeout> {
  return setTimeout(action, Math.min(millis, MAX_DELAY));
}

/** Lets a process end before the timer does, where timers can hold it. */
function unref(handle: unknown): void {
  (handle as { unref?: () => void }).unref?.();
}

function sleepUnref(millis: number): Promise<unknown> {
  return new Promise<void>((resolve) => unref(timer(resolve, millis)));
}

/** Without a compressor, or where it gains nothing, the body goes as it is. */
async function compress(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await gzip(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Sends ended spans to an OTLP/HTTP receiver over `fetch`. Nothing but the constructor throws: a failure is a result with code 1
 * and is counted.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export class OtlpTraceExporter {
  readonly #options: OtlpExporterOptions;
  readonly #route: Route;
  readonly #timeout: number;
  readonly #now: () => number;
  readonly #pending = new Set<Batch>();
  readonly #quiet: Record<string, number> = {};
  readonly #dropped: Record<DropReason, number> = {
    queue_full: 0,
    too_large: 0,
    rejected: 0,
    retry_exhausted: 0,
    timeout: 0,
    non_retryable: 0,
    encode_error: 0,
    shutdown: 0,
  };
  #sent = 0;
  #requests = 0;
  #retries = 0;
  #closed = false;
  /** Bytes that a receiver answered with 413, and until when that is believed. */
  #refused = 0;
  #refusedUntil = 0;

  /** @throws OtlpExportError `ERR_OTLP_INVALID_URL` or `ERR_OTLP_INVALID_HEADERS`, without the text of either */
  constructor(options: OtlpExporterOptions = {}) {
    const { headers, timeoutMillis = 10_000 } = options;
    this.#options = options;
    this.#route = {
      options,
      target: resolveTarget(options.url, options.endpoint),
      serializer: options.serializer ?? jsonSerializer,
      warn: (key, message) => this.#warn(key, message),
    };
    this.#timeout = timeoutMillis === 0 ? Infinity : timeoutMillis > 0 ? timeoutMillis : 10_000;
    this.#now = options.now ?? Date.now;
    try {
      if (typeof headers !== "function") new Headers(headers);
    } catch {
      throw new OtlpExportError("invalid_headers");
    }
  }

  /** The OpenTelemetry form of {@link send}. An error thrown by `done` is swallowed. */
  export(spans: readonly ReadableSpan[], done: (result: ExportResult) => void): void {
    this.send(spans)
      .then(done)
      .catch(() => {});
  }

  /**
   * Encodes at once, then delivers. Resolves when the outcome is known, at the latest after `timeoutMillis`; never rejects.
   * Code 1 means that some or all spans are lost; {@link stats} says how many and why.
   */
  async send(spans: readonly ReadableSpan[]): Promise<ExportResult> {
    let error: OtlpExportError | undefined;
    try {
      error = await this.#admit(spans.slice());
    } catch {
      // Only a clock, a random source or a sleep that was given to us can throw here.
      error = new OtlpExportError("non_retryable");
    }
    return error ? { code: 1, error } : { code: 0 };
  }

  /** Waits for every `send` under way, at most `timeoutMillis`. Its timer keeps a process alive that waits for it. */
  async forceFlush(): Promise<void> {
    if (!this.#pending.size) return;
    let handle: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.allSettled(Array.from(this.#pending, (batch) => batch.done)),
      new Promise<void>((resolve) => {
        handle = timer(resolve, this.#timeout);
      }),
    ]);
    clearTimeout(handle);
  }

  /** Refuses spans from now on and waits for those under way. */
  shutdown(): Promise<void> {
    this.#closed = true;
    return this.forceFlush();
  }

  stats(): OtlpExporterStats {
    let pendingSpans = 0;
    let pendingBytes = 0;
    for (const batch of this.#pending) {
      // An isolate may abandon a request, and then its send never ends.
      if (batch.deadline + MINUTE < this.#now()) {
        this.#pending.delete(batch);
        continue;
      }
      pendingSpans += batch.spans;
      pendingBytes += batch.bytes;
    }
    return {
      sent: this.#sent,
      dropped: { ...this.#dropped },
      requests: this.#requests,
      retries: this.#retries,
      pendingSpans,
      pendingBytes,
    };
  }

  #warn(key: string, message: string): void {
    const now = this.#now();
    if (now < (this.#quiet[key] ?? 0)) return;
    this.#quiet[key] = now + MINUTE;
    try {
      this.#options.diag?.warn(message);
    } catch {
      // A logger must not cost spans.
    }
  }

  #drop(reason: DropReason, count: number, detail?: string, status?: number): OtlpExportError {
    const error = new OtlpExportError(reason, detail, status);
    this.#dropped[reason] += count;
    this.#warn(reason, `${error.message} (${count} spans)`);
    return error;
  }

  async #admit(spans: ReadableSpan[]): Promise<OtlpExportError | undefined> {
    const count = spans.length;
    if (!count) return undefined;
    if (this.#closed) return this.#drop("shutdown", count);
    if (this.stats().pendingSpans + count > (this.#options.maxPendingSpans ?? 65_536)) {
      return this.#drop("queue_full", count);
    }
    const deadline = this.#now() + this.#timeout;
    const abort = new AbortController();
    const { signal } = abort;
    const expired = new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
    const handle = timer(() => abort.abort(), this.#timeout);
    unref(handle);
    const batch: Batch = { spans: count, bytes: 0, deadline, signal, expired };
    this.#pending.add(batch);
    try {
      return await (batch.done = this.#deliver(batch, spans));
    } finally {
      clearTimeout(handle);
      this.#pending.delete(batch);
    }
  }

  async #deliver(batch: Batch, spans: ReadableSpan[]): Promise<OtlpExportError | undefined> {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      const bad = new Set<ReadableSpan>();
      bytes = this.#route.serializer.serialize(spans, bad);
      const good = bad.size ? spans.filter((span) => !bad.has(span)) : spans;
      const error = bad.size ? this.#drop("encode_error", spans.length - good.length) : undefined;
      if (!good.length) return error;
      spans = good;
    } catch {
      return this.#split(batch, spans, "encode_error");
    }
    const size = bytes.length;
    const refused = size >= this.#refused && this.#now() < this.#refusedUntil && spans.length > 1;
    if (refused || size > (this.#options.maxRequestBytes ?? 64 << 20)) return this.#split(batch, spans, "too_large");
    const compressed = size > COMPRESS_FROM && this.#options.compression !== "none" ? await compress(bytes) : undefined;
    const payload = { bytes: compressed ?? bytes, encoding: compressed && "gzip" };
    batch.bytes = 0;
    if (this.stats().pendingBytes + payload.bytes.length > (this.#options.maxPendingBytes ?? 64 << 20)) {
      return this.#drop("queue_full", spans.length);
    }
    batch.bytes = payload.bytes.length;
    return this.#transfer(batch, spans, payload, size);
  }

  /** Both halves one after the other: they share the time limit and the connection. */
  async #split(
    batch: Batch,
    spans: ReadableSpan[],
    reason: DropReason,
    status?: number,
  ): Promise<OtlpExportError | undefined> {
    if (spans.length < 2) return this.#drop(reason, 1, undefined, status);
    const middle = spans.length >> 1;
    const first = await this.#deliver(batch, spans.slice(0, middle));
    return (await this.#deliver(batch, spans.slice(middle))) ?? first;
  }

  /** @see https://opentelemetry.io/docs/specs/otlp/#failures-1 */
  async #transfer(
    batch: Batch,
    spans: ReadableSpan[],
    payload: Payload,
    size: number,
  ): Promise<OtlpExportError | undefined> {
    const { maxAttempts = 5, sleep = sleepUnref } = this.#options;
    const count = spans.length;
    for (let attempt = 1; !batch.signal.aborted; attempt++) {
      this.#requests++;
      const {
        status,
        ok,
        oversized,
        retryAfter = 0,
        message,
        rejectedSpans,
      } = await post(this.#route, payload, batch, this.#now());
      if (status === 413 && count > 1) {
        this.#refused = size;
        this.#refusedUntil = this.#now() + 5 * MINUTE;
        return this.#split(batch, spans, "too_large", status);
      }
      if (ok && !oversized) return this.#accept(count, rejectedSpans, message);
      const told = oversized ? "reply too large" : message;
      const detail = (status === undefined ? "network" : `HTTP ${status}`) + (told ? ` ${told}` : "");
      if (oversized || (status !== undefined && !RETRYABLE.includes(status))) {
        return this.#drop(status === 413 ? "too_large" : "non_retryable", count, detail, status);
      }
      if (batch.signal.aborted) break;
      const delay = Math.max(retryAfter, this.#jitter(attempt));
      if (attempt >= maxAttempts || this.#now() + delay >= batch.deadline) {
        return this.#drop("retry_exhausted", count, detail, status);
      }
      await Promise.race([sleep(Math.min(delay, MAX_DELAY)), batch.expired]);
      this.#retries++;
    }
    return this.#drop("timeout", count);
  }

  /** Anything up to a limit that doubles, so that clients which failed together do not return together. */
  #jitter(attempt: number): number {
    const { backoffMillis = 1000, maxBackoffMillis = 5000, random = Math.random } = this.#options;
    return random() * Math.min(maxBackoffMillis, backoffMillis * 2 ** (attempt - 1));
  }

  /** A partial success is a success: what the receiver refused would be refused again. */
  #accept(count: number, rejectedSpans = 0, message = ""): undefined {
    const rejected = Math.min(count, Math.max(0, rejectedSpans || 0));
    this.#sent += count - rejected;
    if (rejected) this.#drop("rejected", rejected, message);
    else if (message) this.#warn("accepted", `OTLP ${message}`);
  }
}
