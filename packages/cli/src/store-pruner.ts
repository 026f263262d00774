// Keeps the store within its bounds: whole runs go, the one that was quiet longest first.

import type { DatabaseSync, StatementSync } from "node:sqlite";

import { rollBack } from "./sqlite.ts";

/** Bounds of a store. */
export interface StoreLimits {
  /** Rows of spans. Default 500,000. */
  readonly maxSpans: number;
  /** Bytes in use in the database file. Default 512 MiB. */
  readonly maxBytes: number;
}

/** Bounds as they are asked for; what is left out has its default. */
export type StoreLimitOptions = { readonly [Limit in keyof StoreLimits]?: number | undefined };

export const STORE_LIMITS: StoreLimits = { maxSpans: 500_000, maxBytes: 512 * 2 ** 20 };

/** What was removed to keep the bounds. */
export interface PruneResult {
  readonly prunedRuns: number;
  readonly prunedSpans: number;
}

// Removing goes on a little below a bound, so that it is not done again for every batch.
const AIM = 0.95;

/** Removes what is oldest. Spans without a run go trace by trace, by the same clock: the arrival of their last span. */
export class StorePruner {
  readonly #database: DatabaseSync;
  readonly #limits: StoreLimits;
  readonly #statements: Readonly<Record<keyof typeof SQL, StatementSync>>;
  #spans: number;

  constructor(database: DatabaseSync, limits: StoreLimits) {
    this.#database = database;
    this.#limits = limits;
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof SQL, StatementSync>;
    this.#spans = this.#number("countSpans");
  }

  /** Tells how many spans were added, and removes what is too much. */
  added(spans: number): PruneResult {
    this.#spans += spans;
    if (this.#spans <= this.#limits.maxSpans && this.#bytes() <= this.#limits.maxBytes) return NOTHING;
    return this.prune();
  }

  /** Removes the oldest runs until the store is within its bounds. */
  prune(): PruneResult {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = this.#removeOldest();
      this.#statements.dropResources.run();
      this.#statements.count.run("pruned_runs", result.prunedRuns);
      this.#statements.count.run("pruned_spans", result.prunedSpans);
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      rollBack(this.#database);
      throw error;
    } finally {
      this.#spans = this.#number("countSpans");
    }
  }

  #removeOldest(): PruneResult {
    let prunedRuns = 0;
    let prunedSpans = 0;
    const { maxSpans, maxBytes } = this.#limits;
    const before = this.#number("countSpans");
    while (before - prunedSpans > maxSpans * AIM || this.#bytes() > maxBytes * AIM) {
      const run = this.#statements.oldestRun.get();
      const trace = this.#statements.oldestTrace.get();
      if (run === undefined && trace === undefined) break;
      if (trace === undefined || (run !== undefined && Number(run["last_id"]) < Number(trace["last_id"]))) {
        prunedSpans += this.#removeRun(String(run?.["run_id"]));
        prunedRuns += 1;
      } else prunedSpans += this.#removeTrace(String(trace["trace_id"]));
    }
    return { prunedRuns, prunedSpans };
  }

  #removeRun(runId: string): number {
    let removed = 0;
    for (const each of this.#statements.tracesOfRun.all(runId)) {
      const traceId = String(each["trace_id"]);
      const other = this.#statements.otherRunOfTrace.get(traceId, runId);
      // A trace that another run goes through keeps what is not this run's own.
      if (other === undefined) removed += this.#removeTrace(traceId);
      else {
        removed += Number(this.#statements.removeSpansOfRun.run(traceId, runId).changes);
        this.#statements.giveTrace.run(String(other["run_id"]), traceId);
      }
    }
    this.#statements.removeRun.run(runId);
    return removed;
  }

  #removeTrace(traceId: string): number {
    const { changes } = this.#statements.removeSpans.run(traceId);
    this.#statements.removeTrace.run(traceId);
    return Number(changes);
  }

  #bytes(): number {
    return (this.#number("pages") - this.#number("freePages")) * this.#number("pageSize");
  }

  #number(name: keyof typeof SQL): number {
    return Number(Object.values(this.#statements[name].get() ?? {})[0] ?? 0);
  }
}

const NOTHING: PruneResult = { prunedRuns: 0, prunedSpans: 0 };

const SQL = {
  countSpans: "SELECT count(*) FROM spans",
  pages: "PRAGMA page_count",
  freePages: "PRAGMA freelist_count",
  pageSize: "PRAGMA page_size",
  oldestRun: "SELECT run_id, last_id FROM runs ORDER BY last_id LIMIT 1",
  oldestTrace: "SELECT trace_id, last_id FROM traces WHERE run_id IS NULL ORDER BY last_id LIMIT 1",
  tracesOfRun: "SELECT DISTINCT trace_id FROM spans WHERE run_id = ?",
  otherRunOfTrace: "SELECT run_id FROM spans WHERE trace_id = ? AND run_id IS NOT NULL AND run_id <> ? LIMIT 1",
  removeSpansOfRun: "DELETE FROM spans WHERE trace_id = ? AND run_id = ?",
  giveTrace: "UPDATE traces SET run_id = ? WHERE trace_id = ?",
  removeSpans: "DELETE FROM spans WHERE trace_id = ?",
  removeTrace: "DELETE FROM traces WHERE trace_id = ?",
  removeRun: "DELETE FROM runs WHERE run_id = ?",
  dropResources: "DELETE FROM resources WHERE id NOT IN (SELECT resource_id FROM spans)",
  count:
    "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
} as const;
