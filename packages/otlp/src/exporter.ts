import { OtlpExportError, type DropReason } from "./error.ts";
import { jsonSerializer } from "./json.ts";
import { resolveTarget, type OtlpExporterOptions, type Target } from "./options.ts";
import { gzip, parseRetryAfter, readBody } from "./reply.ts";
import type { ExportReply, Serializer } from "./serializer.ts";
import type { ReadableSpan } from "./span.ts";

/** Below this a compressor costs more than the bytes do: a request of a few spans takes four times the CPU with it. */
const GZIP_FROM_BYTES = 8192;

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

/** One `send` under way: plain numbers, and nothing of one request that another could wait on by accident. */
interface Batch {
  spans: number;
  bytes: number;
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly expired: Promise<undefined>;
  done?: Promise<unknown>;
}

interface Reply extends Partial<ExportReply> {
  readonly status?: number;
  readonly ok?: boolean;
  readonly oversized?: boolean;
  readonly retryAfter?: number | undefined;
}

/** Longer delays make timers fire at once. */
const MAX_DELAY = 2 ** 31 - 1;
const MINUTE = 60_000;
const USER_AGENT = "botanu-js/0.1.0 OTel-OTLP-Exporter-JavaScript/0.1.0";

function sleepUnref(millis: number): Promise<unknown> {
  return new Promise((resolve) => unref(setTimeout(resolve, millis)));
}

function unref(timer: unknown): void {
  (timer as { unref?: () => void }).unref?.();
}

/**
 * Sends ended spans to an OTLP/HTTP receiver over `fetch`. Nothing but the constructor throws: a failure is a result with code 1
 * and is counted.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export class OtlpTraceExporter {
  readonly #options: OtlpExporterOptions;
  readonly #target: Target;
  readonly #serializer: Serializer;
  readonly #timeout: number;
  readonly #maxRequest: number;
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
  /** What a 413 taught, and until when it is believed. */
  #learned = 0;
  #learnedUntil = 0;

  /** @throws OtlpExportError when the URL or the headers cannot be used */
  constructor(options: OtlpExporterOptions = {}) {
    const { headers, timeoutMillis = 10_000 } = options;
    this.#options = options;
    this.#target = resolveTarget(options.url, options.endpoint);
    this.#serializer = options.serializer ?? jsonSerializer;
    this.#timeout = timeoutMillis === 0 ? Infinity : timeoutMillis > 0 ? timeoutMillis : 10_000;
    this.#maxRequest = options.maxRequestBytes ?? 64 << 20;
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

  /** Encodes at once, then delivers. Resolves when the outcome is known, at the latest after `timeoutMillis`; never rejects. */
  async send(spans: readonly ReadableSpan[]): Promise<ExportResult> {
    const count = spans.length;
    if (!count) return { code: 0 };
    const full = this.stats().pendingSpans + count > (this.#options.maxPendingSpans ?? 65_536);
    if (this.#closed || full) return { code: 1, error: this.#drop(this.#closed ? "shutdown" : "queue_full", count) };
    const abort = new AbortController();
    let timer: unknown;
    const expired = new Promise<undefined>((resolve) => {
      timer = setTimeout(
        () => {
          abort.abort();
          resolve(undefined);
        },
        Math.min(this.#timeout, MAX_DELAY),
      );
      unref(timer);
    });
    const batch: Batch = {
      spans: count,
      bytes: 0,
      deadline: this.#now() + this.#timeout,
      signal: abort.signal,
      expired,
    };
    this.#pending.add(batch);
    const done = this.#deliver(batch, spans.slice());
    batch.done = done;
    const error = await done;
    clearTimeout(timer as number);
    this.#pending.delete(batch);
    return error ? { code: 1, error } : { code: 0 };
  }

  /** Waits for every `send` under way, at most `timeoutMillis`. Its timer keeps a process alive that waits for it. */
  async forceFlush(): Promise<void> {
    if (!this.#pending.size) return;
    let timer: unknown;
    await Promise.race([
      Promise.all(Array.from(this.#pending, (batch) => batch.done)),
      new Promise((resolve) => {
        timer = setTimeout(resolve, Math.min(this.#timeout, MAX_DELAY));
      }),
    ]);
    clearTimeout(timer as number);
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
      if (batch.deadline + MINUTE < this.#now()) this.#pending.delete(batch);
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

  async #deliver(batch: Batch, spans: ReadableSpan[]): Promise<OtlpExportError | undefined> {
    let body: Uint8Array<ArrayBuffer>;
    try {
      const bad = new Set<ReadableSpan>();
      body = this.#serializer.serialize(spans, bad);
      if (bad.size) {
        const good = spans.filter((span) => !bad.has(span));
        const error = this.#drop("encode_error", spans.length - good.length);
        if (!good.length) return error;
        spans = good;
      }
    } catch {
      return this.#split(batch, spans, "encode_error");
    }
    const size = body.length;
    const learned = this.#learnedUntil > this.#now() && size > this.#learned && spans.length > 1;
    if (size > this.#maxRequest || learned) return this.#split(batch, spans, "too_large");
    let encoding: string | undefined;
    if (size > GZIP_FROM_BYTES && this.#options.compression !== "none") {
      try {
        body = await gzip(body);
        encoding = "gzip";
      } catch {
        // No CompressionStream here: the body goes as it is.
      }
    }
    return this.#transfer(batch, spans, body, encoding, size);
  }

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

  async #transfer(
    batch: Batch,
    spans: ReadableSpan[],
    body: Uint8Array<ArrayBuffer>,
    encoding: string | undefined,
    size: number,
  ): Promise<OtlpExportError | undefined> {
    const {
      maxAttempts = 5,
      backoffMillis = 1000,
      maxBackoffMillis = 5000,
      random = Math.random,
      sleep = sleepUnref,
    } = this.#options;
    const count = spans.length;
    batch.bytes = 0;
    if (this.stats().pendingBytes + body.length > (this.#options.maxPendingBytes ?? 64 << 20))
      return this.#drop("queue_full", count);
    batch.bytes = body.length;
    for (let attempt = 1; ; attempt++) {
      if (batch.signal.aborted) return this.#drop("timeout", count);
      const { status, ok, oversized, retryAfter, message, rejectedSpans } = await this.#post(batch, body, encoding);
      if (status === 413) {
        this.#learned = size >> 1;
        this.#learnedUntil = this.#now() + 5 * MINUTE;
        return this.#split(batch, spans, "too_large", status);
      }
      if (ok && !oversized) return this.#accept(count, rejectedSpans, message);
      const detail = (status === undefined ? "network" : `HTTP ${status}`) + (message ? ` ${message}` : "");
      if (oversized || (status !== undefined && ![429, 502, 503, 504].includes(status)))
        return this.#drop("non_retryable", count, detail, status);
      if (batch.signal.aborted) continue;
      const delay = Math.max(
        retryAfter ?? 0,
        random() * Math.min(maxBackoffMillis, backoffMillis * 2 ** (attempt - 1)),
      );
      if (attempt >= maxAttempts || this.#now() + delay >= batch.deadline)
        return this.#drop("retry_exhausted", count, detail, status);
      await Promise.race([sleep(Math.min(delay, MAX_DELAY)), batch.expired]);
      this.#retries++;
    }
  }

  #accept(count: number, rejectedSpans = 0, message = ""): undefined {
    const rejected = Math.min(count, Math.max(0, rejectedSpans || 0));
    this.#sent += count - rejected;
    if (rejected) this.#drop("rejected", rejected, message);
    else if (message) this.#warn("accepted", `OTLP: ${message}`);
  }

  async #post(batch: Batch, body: Uint8Array<ArrayBuffer>, encoding: string | undefined): Promise<Reply> {
    try {
      const { url, authorization } = this.#target;
      const source = this.#options.headers;
      const headers = new Headers(
        await Promise.race([typeof source === "function" ? source() : source, batch.expired]),
      );
      if (authorization && !headers.has("authorization")) headers.set("authorization", authorization);
      if (
        url.protocol === "http:" &&
        headers.has("authorization") &&
        !/^(localhost|.+\.localhost|127\.[\d.]+|\[::1])$/.test(url.hostname)
      ) {
        this.#warn("http", "OTLP: Authorization is sent over plain http");
      }
      const secrets = [...headers.values()];
      if (!headers.has("user-agent")) headers.set("user-agent", USER_AGENT);
      headers.set("content-type", this.#serializer.contentType);
      headers.delete("content-encoding");
      if (encoding) headers.set("content-encoding", encoding);
      const request = this.#options.fetch ?? globalThis.fetch;
      this.#requests++;
      const response = await Promise.race([
        request(url, { method: "POST", headers, body, redirect: "manual", signal: batch.signal }),
        batch.expired,
      ]);
      if (!response) return {};
      const bytes = await readBody(response, this.#options.maxResponseBytes ?? 4 << 20, batch.expired);
      const { rejectedSpans, message } = this.#read(bytes, secrets);
      const { status, ok } = response;
      return {
        status,
        ok,
        oversized: !bytes,
        retryAfter: parseRetryAfter(response.headers.get("retry-after"), this.#now()),
        rejectedSpans,
        message,
      };
    } catch (error) {
      const { code, cause, name } = error as { code?: unknown; cause?: { code?: unknown }; name?: unknown };
      return { message: `${cause?.code ?? code ?? name}` };
    }
  }

  #read(bytes: Uint8Array | undefined, secrets: readonly string[]): ExportReply {
    if (!bytes) return { rejectedSpans: 0, message: "reply too large" };
    try {
      const { rejectedSpans, message } = this.#serializer.parseReply(bytes);
      let text = message;
      for (const secret of secrets) if (secret.length > 3) text = text.replaceAll(secret.replace(/^\w+ /, ""), "***");
      return { rejectedSpans, message: text.slice(0, 200) };
    } catch {
      return { rejectedSpans: 0, message: "" };
    }
  }
}
