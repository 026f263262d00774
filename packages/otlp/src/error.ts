/** Why spans were not delivered; the keys of {@link OtlpExporterStats.dropped}. */
export type DropReason =
  | "queue_full"
  | "too_large"
  | "rejected"
  | "retry_exhausted"
  | "timeout"
  | "non_retryable"
  | "encode_error"
  | "shutdown";

/** Stable codes: the reason in capitals, or a mistake in the options. */
export type OtlpErrorCode = `ERR_OTLP_${Uppercase<DropReason>}` | "ERR_OTLP_INVALID_URL" | "ERR_OTLP_INVALID_HEADERS";

/**
 * Why an export failed, or why options were refused. Its text never holds the URL, a header value or the text of a
 * lower error, any of which may carry credentials.
 */
export class OtlpExportError extends Error {
  readonly code: OtlpErrorCode;
  /** The HTTP status that decided, where there was one. */
  readonly status: number | undefined;

  constructor(reason: string, detail?: string, status?: number) {
    super(`OTLP ${reason}${detail ? `: ${detail}` : ""}`);
    this.name = "OtlpExportError";
    this.code = `ERR_OTLP_${reason.toUpperCase()}` as OtlpErrorCode;
    this.status = status;
  }
}
