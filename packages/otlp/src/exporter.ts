import { gzip } from "./body.ts";
import { OtlpExportError, type DropReason } from "./error.ts";
import { jsonSerializer } from "./json.ts";
import { resolveTarget, type OtlpExporterOptions } from "./options.ts";
import { createHeaders, post, type Limit, type Route } from "./post.ts";
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
  /** Spans whose fate is open; none after the time limit. */
  left: number;
  /** Encoded and not yet taken. */
  bytes: number;
  readonly deadline: number;
  error?: OtlpExportError | undefined;
  done: Promise<ExportResult> | undefined;
}

/** Longer delays make timers fire at once. */
const MAX_DELAY = 2 ** 31 - 1;
const MINUTE = 60_000;
const RETRYABLE = [429, 502, 503, 504];
/** Starting a compressor costs more than a request of a few spans could save. */
const COMPRESS_FROM = 4096;

/** A timer that lets a process end before it does, where timers can hold one. */
function timer(action: () => void, millis: number): ReturnType<typeof setTimeout> {
  const handle = setTimeout(action, Math.min(millis, MAX_DELAY));
  (handle as { unref?: () => void }).unref?.();
  return handle;
}

function sleepUnref(millis: number): Promise<unknown> {
  return new Promise<void>((resolve) => timer(resolve, millis));
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
    const { headers: given, timeoutMillis = 10_000, serializer = jsonSerializer } = options;
    const target = resolveTarget(options.url, options.endpoint);
    this.#options = options;
    this.#timeout = timeoutMillis === 0 ? Infinity : timeoutMillis > 0 ? timeoutMillis : 10_000;
    this.#now = () => {
      try {
        return options.now?.() ?? Date.now();
      } catch {
        return Date.now();
      }
    };
    try {
      const headers = typeof given === "function" ? undefined : createHeaders(target, serializer, given);
      this.#route = { options, target, serializer, headers, warn: (key, message) => this.#warn(key, message) };
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
   * Code 1 means that spans are lost because a request was; {@link stats} says how many and why, and counts those too that could not be
   * encoded or were rejected one by one.
   */
  send(spans: readonly ReadableSpan[]): Promise<ExportResult> {
    const { length } = spans;
    if (!length) return Promise.resolve({ code: 0 });
    const abort = new AbortController();
    const batch: Batch = {
      left: length,
      bytes: 0,
      deadline: this.#now() + this.#timeout,
      signal: abort.signal,
      done: undefined,
    };
    if (this.#closed) return Promise.resolve(this.#end(batch, "shutdown"));
    if (this.#sum("left") + length > (this.#options.maxPendingSpans ?? 65_536)) {
      return Promise.resolve(this.#end(batch, "queue_full"));
    }
    this.#pending.add(batch);
    batch.done = new Promise((resolve) => {
      const end = (reason: DropReason): void => {
        clearTimeout(handle);
        resolve(this.#end(batch, reason));
      };
      const handle = timer(() => {
        abort.abort();
        // A status that has come stands, even when its body does not end; anything else may never come.
        if (batch.stop) batch.stop();
        else end("timeout");
      }, this.#timeout);
      this.#deliver(batch, spans.slice()).then(
        () => end("timeout"),
        // Only a random source or a sleep that was given to us can throw here.
        () => end("non_retryable"),
      );
    });
    return batch.done;
  }

  /** Waits for every `send` under way, at most `timeoutMillis`. Its timer keeps a process alive that waits for it. */
  async forceFlush(): Promise<void> {
    if (!this.#pending.size) return;
    let handle: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.all(Array.from(this.#pending, async ({ done }) => done)),
      new Promise<void>((resolve) => {
        handle = setTimeout(resolve, Math.min(this.#timeout, MAX_DELAY));
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
    return {
      sent: this.#sent,
      dropped: { ...this.#dropped },
      requests: this.#requests,
      retries: this.#retries,
      pendingSpans: this.#sum("left"),
      pendingBytes: this.#sum("bytes"),
    };
  }

  #sum(what: "left" | "bytes"): number {
    let sum = 0;
    for (const batch of this.#pending) {
      // An isolate may abandon a request, and then its send never ends.
      if (batch.deadline + MINUTE < this.#now()) this.#pending.delete(batch);
      else sum += batch[what];
    }
    return sum;
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

  /** Counts spans as lost, as far as their fate was open. */
  #drop(
    batch: Batch,
    reason: DropReason,
    count: number,
    detail?: string,
    status?: number,
  ): OtlpExportError | undefined {
    const lost = Math.min(count, batch.left);
    if (!lost) return undefined;
    const error = new OtlpExportError(reason, detail, status);
    batch.left -= lost;
    this.#dropped[reason] += lost;
    this.#warn(reason, `${error.message} (${lost} spans)`);
    return error;
  }

  /** Loses what is left, and says how it went. */
  #end(batch: Batch, reason: DropReason): ExportResult {
    this.#pending.delete(batch);
    const error = this.#drop(batch, reason, batch.left) ?? batch.error;
    return error ? { code: 1, error } : { code: 0 };
  }

  async #deliver(batch: Batch, spans: ReadableSpan[]): Promise<void> {
    const { maxRequestBytes = 64 << 20, maxPendingBytes = 64 << 20, compression } = this.#options;
    const bad = new Set<ReadableSpan>();
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = this.#route.serializer.serialize(spans, bad);
    } catch {
      return this.#split(batch, spans, "encode_error");
    }
    if (bad.size) {
      const good = spans.filter((span) => !bad.has(span));
      const error = this.#drop(batch, "encode_error", spans.length - good.length);
      if (!good.length) return void (batch.error = error);
      spans = good;
    }
    const size = bytes.length;
    const refused = size >= this.#refused && this.#now() < this.#refusedUntil && spans.length > 1;
    if (refused || size > maxRequestBytes) return this.#split(batch, spans, "too_large");
    // Without a compressor the body goes as it is.
    const compressed =
      size > COMPRESS_FROM && compression !== "none" ? await gzip(bytes).catch(() => undefined) : undefined;
    batch.bytes = 0;
    const body = compressed ?? bytes;
    if (this.#sum("bytes") + body.length > maxPendingBytes) {
      return void (batch.error = this.#drop(batch, "queue_full", spans.length));
    }
    batch.bytes = body.length;
    return this.#transfer(batch, spans, body, size, compressed !== undefined);
  }

  /** Both halves one after the other: they share the time limit and the connection. */
  async #split(batch: Batch, spans: ReadableSpan[], reason: DropReason, status?: number): Promise<void> {
    if (spans.length < 2) return void (batch.error = this.#drop(batch, reason, 1, undefined, status));
    const middle = spans.length >> 1;
    await this.#deliver(batch, spans.slice(0, middle));
    await this.#deliver(batch, spans.slice(middle));
  }

  /** @see https://opentelemetry.io/docs/specs/otlp/#failures-1 */
  async #transfer(
    batch: Batch,
    spans: ReadableSpan[],
    body: Uint8Array<ArrayBuffer>,
    size: number,
    compressed: boolean,
  ): Promise<void> {
    const { maxAttempts = 5, sleep = sleepUnref } = this.#options;
    const count = spans.length;
    for (let attempt = 1; !batch.signal.aborted; attempt++) {
      this.#requests++;
      const answer = await post(this.#route, body, compressed, batch, this.#now());
      const { status, oversized, retryAfter = 0, message = "", rejectedSpans } = answer;
      if (status === 413 && count > 1) {
        this.#refused = size;
        this.#refusedUntil = this.#now() + 5 * MINUTE;
        return this.#split(batch, spans, "too_large", status);
      }
      if (status && status > 199 && status < 300 && !oversized) {
        return this.#accept(batch, count, rejectedSpans, message);
      }
      const told = oversized ? "reply too large" : message;
      const detail = `${status === undefined ? "network" : `HTTP ${status}`} ${told}`.trim();
      const lose = (reason: DropReason): void => {
        batch.error = this.#drop(batch, reason, count, detail, status);
      };
      if (oversized || (status !== undefined && !RETRYABLE.includes(status))) {
        return lose(status === 413 ? "too_large" : "non_retryable");
      }
      if (batch.signal.aborted) return;
      const delay = Math.max(retryAfter, this.#jitter(attempt));
      if (attempt >= maxAttempts || this.#now() + delay >= batch.deadline) return lose("retry_exhausted");
      await sleep(Math.min(delay, MAX_DELAY));
      this.#retries++;
    }
  }

  /** Anything up to a limit that doubles, so that clients which failed together do not return together. */
  #jitter(attempt: number): number {
    const { backoffMillis = 1000, maxBackoffMillis = 5000, random = Math.random } = this.#options;
    return random() * Math.min(maxBackoffMillis, backoffMillis * 2 ** (attempt - 1));
  }

  /** A partial success is a success: what the receiver refused would be refused again. */
  #accept(batch: Batch, count: number, rejectedSpans = 0, message: string): void {
    const rejected = Math.min(count, Math.max(0, rejectedSpans || 0));
    if (rejected) this.#drop(batch, "rejected", rejected, message);
    else if (message) this.#warn("accepted", `OTLP ${message}`);
    const taken = Math.min(count - rejected, batch.left);
    batch.left -= taken;
    this.#sent += taken;
  }
}
