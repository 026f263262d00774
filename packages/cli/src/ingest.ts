// From a request body to stored rows: the one step that runs in the store's own thread.

import { decodeJson } from "./otlp-json.ts";
import { decodeProtobuf } from "./otlp-protobuf.ts";
import type { RunStore } from "./run-store.ts";
import { MalformedBody, OversizedBody } from "./span-row.ts";

export type BodyFormat = "json" | "protobuf";

/** What became of the spans of one request. */
export interface IngestResult {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  /** Why the first of the rejected ones was; empty when none was. */
  readonly reason: string;
  readonly prunedRuns: number;
  readonly prunedSpans: number;
}

/** Nothing of the request was stored: the body is `malformed` or `oversized`, or the store cannot `write`. */
export class IngestError extends Error {
  readonly kind: "malformed" | "oversized" | "write";

  constructor(kind: IngestError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Takes request bodies, wherever the store is. */
export interface Ingestor {
  /** @throws {IngestError} when nothing of the body was stored */
  ingest(format: BodyFormat, body: Uint8Array): Promise<IngestResult>;
  close(): Promise<void>;
}

/**
 * Decodes a body and stores its spans in one transaction.
 *
 * @throws {IngestError} when nothing of it was stored
 */
export function ingest(store: RunStore, format: BodyFormat, body: Uint8Array): IngestResult {
  try {
    const { rows, rejected, reason } = format === "json" ? decodeJson(body) : decodeProtobuf(body);
    const { inserted, duplicates, ...pruned } = store.insert(rows);
    return { accepted: inserted, duplicates, rejected, reason, ...pruned };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof MalformedBody) throw new IngestError("malformed", message);
    if (error instanceof OversizedBody) throw new IngestError("oversized", message);
    throw new IngestError("write", `the store cannot be written: ${message}`);
  }
}

/** A store in this thread: for tests, and for what lives in memory only. */
export function localIngestor(store: RunStore): Ingestor {
  return {
    ingest: async (format, body) => ingest(store, format, body),
    close: async () => undefined,
  };
}
