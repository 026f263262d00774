import type { ReadableSpan } from "./span.ts";

/** What a receiver said in its body: of a partial success, or the message of an error `Status`. */
export interface ExportReply {
  readonly rejectedSpans: number;
  readonly message: string;
}

/**
 * One encoding of OTLP/HTTP.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
 */
export interface Serializer {
  /** The `Content-Type` of requests. */
  readonly contentType: string;
  /** Encodes one `ExportTraceServiceRequest`. A span that cannot be encoded is left out and added to `bad`. */
  serialize(spans: readonly ReadableSpan[], bad: Set<ReadableSpan>): Uint8Array<ArrayBuffer>;
  /** Reads an `ExportTraceServiceResponse` or a `Status`. Throws when the bytes are neither. */
  parseReply(body: Uint8Array): ExportReply;
}
