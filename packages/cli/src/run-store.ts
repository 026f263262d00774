// The store of runs: one SQLite file that one process writes and any number read, while it is written and after.

import type { DatabaseSync } from "node:sqlite";

import { type CoverageReport, coverageReport } from "./coverage.ts";
import type { SpanRow } from "./span-row.ts";
import { IN_MEMORY, openForReading, openForWriting } from "./sqlite.ts";
import {
  type PruneResult,
  STORE_LIMITS,
  type StoreLimitOptions,
  type StoreLimits,
  StorePruner,
} from "./store-pruner.ts";
import {
  type RunData,
  type RunFilter,
  type RunSummary,
  StoreReader,
  type StoreStats,
  type TailedSpan,
} from "./store-reader.ts";
import { type InsertResult, StoreWriter } from "./store-writer.ts";
import { type StoredSpan, endMs } from "./stored-span.ts";

export interface RunStoreOptions {
  /** A file, or `:memory:` for a store that lives in this process only. */
  readonly path: string;
  /** Opens an existing file beside its writer. Default false. */
  readonly readOnly?: boolean | undefined;
  readonly limits?: StoreLimitOptions | undefined;
  /** Epoch milliseconds; the machine's clock when not given. */
  readonly now?: (() => number) | undefined;
}

/** What the coverage report is asked for. */
export interface CoverageFilter {
  /** One run; all that is stored when not given. */
  readonly runId?: string | undefined;
  /** Only traces with a span that arrived at or after this, epoch milliseconds. */
  readonly sinceMillis?: number | undefined;
}

/** The stored runs. All methods are synchronous; a batch of 512 spans takes some milliseconds to write. */
export class RunStore {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #reader: StoreReader;
  readonly #writer: StoreWriter | undefined;
  readonly #pruner: StorePruner | undefined;
  readonly #now: () => number;
  #closed = false;

  /** @throws {CommandError} when the file cannot be opened, is not a store, or has another layout */
  constructor(options: RunStoreOptions) {
    this.path = options.path;
    this.#now = options.now ?? Date.now;
    const readOnly = options.readOnly === true && options.path !== IN_MEMORY;
    this.#database = readOnly ? openForReading(options.path) : openForWriting(options.path);
    this.#reader = new StoreReader(this.#database);
    if (readOnly) return;
    this.#writer = new StoreWriter(this.#database);
    this.#pruner = new StorePruner(this.#database, bounds(options.limits));
  }

  /** Stores a batch, whole or not at all, and removes the oldest runs where that passes a bound. */
  insert(rows: readonly SpanRow[]): InsertResult & PruneResult {
    if (this.#writer === undefined || this.#pruner === undefined) throw new Error("the store was opened for reading");
    const result = this.#writer.insert(rows, Math.trunc(this.#now()));
    const pruned = this.#pruner.added(result.inserted);
    if (pruned.prunedSpans > 0) this.#writer.forgetResources();
    return { ...result, ...pruned };
  }

  /** Removes the oldest runs until the store is within its bounds. */
  prune(): PruneResult {
    const pruned = this.#pruner?.prune() ?? { prunedRuns: 0, prunedSpans: 0 };
    this.#writer?.forgetResources();
    return pruned;
  }

  /** The newest runs, newest first. */
  listRuns(filter?: RunFilter): RunSummary[] {
    return this.#reader.listRuns(filter);
  }

  /** Ids of the runs that begin or end with a text; `latest` is the newest run. */
  findRuns(text: string, limit?: number): string[] {
    return this.#reader.findRuns(text, limit);
  }

  /** A run with all spans of its traces, or undefined where the id is not known. */
  getRun(runId: string): RunData | undefined {
    return this.#reader.getRun(runId);
  }

  /** Which services carry the run, and why the others do not. */
  coverage(filter: CoverageFilter = {}): CoverageReport {
    const now = this.#now();
    const carriers = this.#reader.carryingServices();
    if (filter.runId === undefined) {
      const ids = this.#reader.traceIds(filter.sinceMillis);
      return coverageReport(this.#reader.traces(ids), { now, carriers });
    }
    const data = this.getRun(filter.runId);
    const traces = data === undefined ? [] : [...byTrace(data.spans), ...this.#around(data.spans)];
    return coverageReport(traces, { now, carriers, runId: filter.runId });
  }

  /** Spans in order of arrival, after the span with the id `afterId`. */
  tail(afterId: number, limit?: number): TailedSpan[] {
    return this.#reader.tail(afterId, limit);
  }

  stats(): StoreStats {
    return this.#reader.stats();
  }

  close(): void {
    if (!this.#closed) this.#database.close();
    this.#closed = true;
  }

  /** Traces without any run at the time of a run: where a call of it may have gone on. */
  #around(spans: readonly StoredSpan[]): Generator<StoredSpan[]> {
    const [first, last] = extent(spans);
    return this.#reader.traces(this.#reader.tracesWithoutRun(first - SLACK_MILLIS, last + SLACK_MILLIS));
  }
}

// A linked consumer may start some time after the run's last span.
const SLACK_MILLIS = 60_000;

/** The first start and the last end, without spreading a long list over the stack. */
function extent(spans: readonly StoredSpan[]): readonly [number, number] {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const span of spans) {
    first = Math.min(first, span.startMs);
    last = Math.max(last, endMs(span));
  }
  return [first, last];
}

function byTrace(spans: readonly StoredSpan[]): StoredSpan[][] {
  const traces = new Map<string, StoredSpan[]>();
  for (const span of spans) {
    const trace = traces.get(span.traceId);
    if (trace === undefined) traces.set(span.traceId, [span]);
    else trace.push(span);
  }
  return [...traces.values()];
}

function bounds({ maxSpans, maxBytes }: StoreLimitOptions = {}): StoreLimits {
  return { maxSpans: maxSpans ?? STORE_LIMITS.maxSpans, maxBytes: maxBytes ?? STORE_LIMITS.maxBytes };
}
