// The questions that are asked of a store. Every answer is read from its indexes or its summaries.

import type { DatabaseSync } from "node:sqlite";

import { SPAN_COLUMNS, type StoredSpan, readSpan } from "./stored-span.ts";

/** Which runs are wanted. */
export interface RunFilter {
  readonly workflow?: string | undefined;
  readonly customer?: string | undefined;
  /** Runs that started at or after this, epoch milliseconds. */
  readonly sinceMillis?: number | undefined;
  /** The newest so many; 20 when not given. */
  readonly limit?: number | undefined;
}

/** A run as its own spans describe it. */
export interface RunRecord {
  readonly runId: string;
  readonly workflow: string | undefined;
  readonly eventId: string | undefined;
  readonly customerId: string | undefined;
  readonly environment: string | undefined;
  readonly tenantId: string | undefined;
  readonly parentRunId: string | undefined;
  readonly rootRunId: string | undefined;
  readonly retryOfRunId: string | undefined;
  readonly attempt: number;
  /** `success`, `failure`, `partial`, `timeout` or `canceled`; undefined while the span of the run itself is not there. */
  readonly outcome: string | undefined;
  /** Epoch milliseconds. */
  readonly startMs: number;
}

/** A run and everything that shares a trace with it. */
export interface RunData {
  readonly run: RunRecord;
  /** Ordered by start. Spans without a run id of their own are there because of their trace. */
  readonly spans: readonly StoredSpan[];
}

/** One line of the list of runs. */
export interface RunSummary extends RunRecord {
  readonly durationMs: number;
  readonly traces: number;
  readonly services: number;
  readonly errors: number;
  /** Spans of the run's traces that carry its run id. */
  readonly carrying: number;
  /** Spans of the run's traces that carry no run id. */
  readonly inherited: number;
}

/** A span that `tail` shows, with the run that its trace belongs to. */
export interface TailedSpan {
  readonly span: StoredSpan;
  readonly workflow: string | undefined;
  readonly customerId: string | undefined;
  /** The run of the trace, where the span itself carries none. */
  readonly inheritedRunId: string | undefined;
}

export interface StoreStats {
  readonly spans: number;
  readonly runs: number;
  readonly prunedRuns: number;
  readonly prunedSpans: number;
  /** `id` of the span that arrived last; 0 in an empty store. */
  readonly lastId: number;
}

type Row = Record<string, unknown>;

const RUN_COLUMNS = `run_id, workflow, event_id, customer_id, environment, tenant_id, parent_run_id, root_run_id, retry_of_run_id,
  attempt, outcome, first_ns / 1000000 AS start_ms, first_ns % 1000000 AS start_rest`;
const SPANS = `SELECT ${SPAN_COLUMNS} FROM spans s JOIN resources r ON r.id = s.resource_id`;
const TRACES_OF_RUN = "SELECT DISTINCT trace_id FROM spans WHERE run_id = ?";

const RUN_TOTALS = `SELECT count(*) AS spans, count(DISTINCT s.trace_id) AS traces, count(DISTINCT r.service) AS services,
  sum(s.run_id IS ?) AS carrying, sum(s.run_id IS NULL) AS inherited, sum(s.status_code = 2) AS errors,
  (max(s.end_ns) - min(s.start_ns)) / 1e6 AS duration_ms
  FROM spans s JOIN resources r ON r.id = s.resource_id
  WHERE s.trace_id IN (SELECT DISTINCT trace_id FROM spans WHERE run_id = ?) AND (s.run_id IS NULL OR s.run_id = ?)`;

const TAIL = `SELECT ${SPAN_COLUMNS}, u.workflow, u.customer_id, t.run_id AS trace_run_id FROM spans s
  JOIN resources r ON r.id = s.resource_id LEFT JOIN traces t ON t.trace_id = s.trace_id
  LEFT JOIN runs u ON u.run_id = coalesce(s.run_id, t.run_id) WHERE s.id > ? ORDER BY s.id LIMIT ?`;

/** Reads a store, whoever writes it. */
export class StoreReader {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** The newest runs, newest first. */
  listRuns(filter: RunFilter = {}): RunSummary[] {
    const rows = this.#database
      .prepare(
        `SELECT ${RUN_COLUMNS} FROM runs WHERE (? IS NULL OR workflow = ?) AND (? IS NULL OR customer_id = ?)
         AND first_ns >= ? ORDER BY first_ns DESC, run_id DESC LIMIT ?`,
      )
      .all(
        ...repeat(filter.workflow ?? null, 2),
        ...repeat(filter.customer ?? null, 2),
        nanos(filter.sinceMillis),
        filter.limit ?? 20,
      );
    const totals = this.#database.prepare(RUN_TOTALS);
    return rows.map((row) => summary(row, totals.get(...repeat(String(row["run_id"]), 3)) ?? {}));
  }

  /** Ids of runs that begin or end with a text, newest first; the exact id alone if there is one. `latest` is the newest. */
  findRuns(text: string, limit = 10): string[] {
    const wanted = text.toLowerCase();
    const newest = "ORDER BY first_ns DESC, run_id DESC LIMIT ?";
    const ids = (sql: string, ...values: (string | number)[]): string[] =>
      this.#database
        .prepare(sql)
        .all(...values)
        .map((row) => String(row["run_id"]));
    if (wanted === "latest") return ids(`SELECT run_id FROM runs ${newest}`, 1);
    const exact = ids("SELECT run_id FROM runs WHERE run_id = ?", wanted);
    if (exact.length > 0 || wanted === "") return exact;
    const { length } = wanted;
    return ids(
      `SELECT run_id FROM runs WHERE substr(run_id, 1, ?) = ? OR substr(run_id, -?) = ? ${newest}`,
      length,
      wanted,
      length,
      wanted,
      limit,
    );
  }

  /** A run with all spans of its traces, or undefined where the id is not known. */
  getRun(runId: string): RunData | undefined {
    const row = this.#database.prepare(`SELECT ${RUN_COLUMNS} FROM runs WHERE run_id = ?`).get(runId);
    if (row === undefined) return undefined;
    const spans = this.#database
      .prepare(`${SPANS} WHERE s.trace_id IN (${TRACES_OF_RUN}) ORDER BY s.start_ns, s.id`)
      .all(runId);
    return { run: record(row), spans: spans.map(readSpan) };
  }

  /**
   * Reads traces one after the other.
   *
   * @yields the spans of each, ordered by start
   */
  *traces(traceIds: Iterable<string>): Generator<StoredSpan[]> {
    const statement = this.#database.prepare(`${SPANS} WHERE s.trace_id = ? ORDER BY s.start_ns, s.id`);
    for (const traceId of traceIds) {
      const spans = statement.all(traceId).map(readSpan);
      if (spans.length > 0) yield spans;
    }
  }

  /** Ids of the traces with a span that arrived at or after `sinceMillis`. */
  traceIds(sinceMillis = 0): string[] {
    const rows =
      sinceMillis === 0
        ? this.#database.prepare("SELECT trace_id FROM traces ORDER BY last_id").all()
        : this.#database.prepare("SELECT DISTINCT trace_id FROM spans WHERE received_ms >= ?").all(sinceMillis);
    return rows.map((row) => String(row["trace_id"]));
  }

  /** Ids of traces in which no span carries a run, with a span that started between two times, epoch milliseconds. */
  tracesWithoutRun(fromMillis: number, toMillis: number, limit = 1000): string[] {
    const rows = this.#database
      .prepare(
        `SELECT trace_id FROM traces t WHERE t.run_id IS NULL AND EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = t.trace_id
         AND s.start_ns BETWEEN ? AND ?) ORDER BY t.last_id DESC LIMIT ?`,
      )
      .all(nanos(fromMillis), nanos(toMillis), limit);
    return rows.map((row) => String(row["trace_id"]));
  }

  /** Services of which at least one stored span carries a run id, and those that run a distribution which writes it. */
  carryingServices(): Set<string> {
    const rows = this.#database
      .prepare(
        `SELECT DISTINCT r.service FROM resources r WHERE EXISTS
         (SELECT 1 FROM spans s WHERE s.resource_id = r.id AND s.run_id IS NOT NULL)
         OR json_extract(r.attributes, '$."telemetry.distro.name"') = 'botanu'`,
      )
      .all();
    return new Set(rows.map((row) => String(row["service"])));
  }

  /** Spans in order of arrival, after the span with the id `afterId`. */
  tail(afterId: number, limit = 500): TailedSpan[] {
    return this.#database.prepare(TAIL).all(afterId, limit).map(tailed);
  }

  stats(): StoreStats {
    const count = (sql: string): number => Number(Object.values(this.#database.prepare(sql).get() ?? {})[0] ?? 0);
    return {
      spans: count("SELECT count(*) FROM spans"),
      runs: count("SELECT count(*) FROM runs"),
      prunedRuns: count("SELECT value FROM counters WHERE name = 'pruned_runs'"),
      prunedSpans: count("SELECT value FROM counters WHERE name = 'pruned_spans'"),
      lastId: count("SELECT max(id) FROM spans"),
    };
  }
}

function record(row: Row): RunRecord {
  const text = (name: string): string | undefined => (typeof row[name] === "string" ? String(row[name]) : undefined);
  return {
    runId: String(row["run_id"]),
    workflow: text("workflow"),
    eventId: text("event_id"),
    customerId: text("customer_id"),
    environment: text("environment"),
    tenantId: text("tenant_id"),
    parentRunId: text("parent_run_id"),
    rootRunId: text("root_run_id"),
    retryOfRunId: text("retry_of_run_id"),
    attempt: Number(row["attempt"] ?? 1),
    outcome: text("outcome"),
    startMs: Number(row["start_ms"]) + Number(row["start_rest"]) / 1e6,
  };
}

function summary(row: Row, totals: Row): RunSummary {
  return {
    ...record(row),
    durationMs: Math.max(0, Number(totals["duration_ms"] ?? 0)),
    traces: Number(totals["traces"] ?? 0),
    services: Number(totals["services"] ?? 0),
    errors: Number(totals["errors"] ?? 0),
    carrying: Number(totals["carrying"] ?? 0),
    inherited: Number(totals["inherited"] ?? 0),
  };
}

function tailed(row: Row): TailedSpan {
  const span = readSpan(row);
  const inherited = span.runId === undefined && typeof row["trace_run_id"] === "string";
  return {
    span,
    workflow: typeof row["workflow"] === "string" ? row["workflow"] : undefined,
    customerId: typeof row["customer_id"] === "string" ? row["customer_id"] : undefined,
    inheritedRunId: inherited ? String(row["trace_run_id"]) : undefined,
  };
}

/** A value for each of several placeholders: Node 22.13 does not take numbered ones. */
function repeat<T>(value: T, times: number): T[] {
  return Array.from({ length: times }, () => value);
}

function nanos(millis: number | undefined): bigint {
  return BigInt(Math.trunc(millis ?? 0)) * 1_000_000n;
}
