// Writes batches of spans: the rows, the summaries of their runs and traces, all in one transaction.

import type { DatabaseSync, StatementSync } from "node:sqlite";

import { rollBack } from "./sqlite.ts";
import type { ResourceRow, RunFields, SpanRow } from "./span-row.ts";

/** What became of one batch. */
export interface InsertResult {
  readonly inserted: number;
  /** Spans that were stored already: an exporter sent a batch again. */
  readonly duplicates: number;
}

const INSERT_SPAN = `INSERT INTO spans (trace_id, span_id, parent_span_id, run_id, resource_id, name, kind, start_ns, end_ns,
  status_code, status_message, trace_state, flags, scope, attributes, events, links, received_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trace_id, span_id) DO NOTHING`;

const UPSERT_TRACE = `INSERT INTO traces (trace_id, run_id, last_id) VALUES (?, ?, ?) ON CONFLICT (trace_id)
  DO UPDATE SET run_id = coalesce(traces.run_id, excluded.run_id), last_id = excluded.last_id`;

// The outcome is that of the outermost run span, which is the one that started first.
const UPSERT_RUN = `INSERT INTO runs (run_id, workflow, event_id, customer_id, environment, tenant_id, parent_run_id, root_run_id,
  retry_of_run_id, attempt, outcome, outcome_ns, first_ns, last_ns, spans, errors, last_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET
  workflow = coalesce(runs.workflow, excluded.workflow), event_id = coalesce(runs.event_id, excluded.event_id),
  customer_id = coalesce(runs.customer_id, excluded.customer_id), environment = coalesce(runs.environment, excluded.environment),
  tenant_id = coalesce(runs.tenant_id, excluded.tenant_id), parent_run_id = coalesce(runs.parent_run_id, excluded.parent_run_id),
  root_run_id = coalesce(runs.root_run_id, excluded.root_run_id),
  retry_of_run_id = coalesce(runs.retry_of_run_id, excluded.retry_of_run_id), attempt = coalesce(runs.attempt, excluded.attempt),
  outcome = CASE WHEN excluded.outcome IS NULL OR runs.outcome_ns < excluded.outcome_ns THEN runs.outcome ELSE excluded.outcome END,
  outcome_ns = CASE WHEN excluded.outcome IS NULL OR runs.outcome_ns < excluded.outcome_ns THEN runs.outcome_ns ELSE excluded.outcome_ns END,
  first_ns = min(runs.first_ns, excluded.first_ns), last_ns = max(runs.last_ns, excluded.last_ns),
  spans = runs.spans + excluded.spans, errors = runs.errors + excluded.errors, last_id = excluded.last_id`;

/** The part of a run's summary that one batch adds. */
interface RunDelta {
  readonly fields: RunFields;
  outcomeNs: bigint | undefined;
  firstNs: bigint;
  lastNs: bigint;
  spans: number;
  errors: number;
  lastId: number;
}

interface TraceDelta {
  runId: string | undefined;
  lastId: number;
}

const ERROR = 2;
const MAX_RESOURCES_HELD = 1000;

/** The one writer of a store. */
export class StoreWriter {
  readonly #database: DatabaseSync;
  readonly #insertSpan: StatementSync;
  readonly #upsertTrace: StatementSync;
  readonly #upsertRun: StatementSync;
  readonly #insertResource: StatementSync;
  readonly #findResource: StatementSync;
  readonly #resources: Map<string, number> = new Map();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insertSpan = database.prepare(INSERT_SPAN);
    this.#upsertTrace = database.prepare(UPSERT_TRACE);
    this.#upsertRun = database.prepare(UPSERT_RUN);
    this.#insertResource = database.prepare("INSERT OR IGNORE INTO resources (service, attributes) VALUES (?, ?)");
    this.#findResource = database.prepare("SELECT id FROM resources WHERE attributes = ?");
  }

  /** Stores a batch, whole or not at all. `receivedMillis` is epoch milliseconds. */
  insert(rows: readonly SpanRow[], receivedMillis: number): InsertResult {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const inserted = this.#insertRows(rows, receivedMillis);
      this.#database.exec("COMMIT");
      return { inserted, duplicates: rows.length - inserted };
    } catch (error) {
      // An id that was given out in a transaction that is undone names nothing.
      this.#resources.clear();
      rollBack(this.#database);
      throw error;
    }
  }

  /** Must be told when resources were removed from the store. */
  forgetResources(): void {
    this.#resources.clear();
  }

  #insertRows(rows: readonly SpanRow[], receivedMillis: number): number {
    const runs = new Map<string, RunDelta>();
    const traces = new Map<string, TraceDelta>();
    let inserted = 0;
    for (const row of rows) {
      const id = this.#insertRow(row, receivedMillis);
      if (id === undefined) continue;
      inserted += 1;
      addToTrace(traces, row, id);
      addToRun(runs, row, id);
    }
    for (const [traceId, { runId, lastId }] of traces) this.#upsertTrace.run(traceId, runId ?? null, lastId);
    for (const [runId, delta] of runs) this.#writeRun(runId, delta);
    return inserted;
  }

  #insertRow(row: SpanRow, receivedMillis: number): number | undefined {
    const { changes, lastInsertRowid } = this.#insertSpan.run(
      row.traceId,
      row.spanId,
      row.parentSpanId,
      row.run.runId ?? null,
      this.#resourceId(row.resource),
      row.name,
      row.kind,
      row.startNs,
      row.endNs,
      row.statusCode,
      row.statusMessage,
      row.traceState,
      row.flags,
      row.scope,
      row.attributes,
      row.events,
      row.links,
      receivedMillis,
    );
    return changes === 0 ? undefined : Number(lastInsertRowid);
  }

  #writeRun(runId: string, delta: RunDelta): void {
    const { fields } = delta;
    this.#upsertRun.run(
      runId,
      fields.workflow ?? null,
      fields.eventId ?? null,
      fields.customerId ?? null,
      fields.environment ?? null,
      fields.tenantId ?? null,
      fields.parentRunId ?? null,
      fields.rootRunId ?? null,
      fields.retryOfRunId ?? null,
      fields.attempt ?? null,
      fields.outcome ?? null,
      delta.outcomeNs ?? null,
      delta.firstNs,
      delta.lastNs,
      delta.spans,
      delta.errors,
      delta.lastId,
    );
  }

  #resourceId(resource: ResourceRow): number {
    const known = this.#resources.get(resource.attributes);
    if (known !== undefined) return known;
    this.#insertResource.run(resource.service, resource.attributes);
    const id = Number(this.#findResource.get(resource.attributes)?.["id"]);
    if (this.#resources.size >= MAX_RESOURCES_HELD) this.#resources.clear();
    this.#resources.set(resource.attributes, id);
    return id;
  }
}

function addToTrace(traces: Map<string, TraceDelta>, row: SpanRow, id: number): void {
  const delta = traces.get(row.traceId);
  if (delta === undefined) traces.set(row.traceId, { runId: row.run.runId, lastId: id });
  else {
    delta.runId ??= row.run.runId;
    delta.lastId = id;
  }
}

function addToRun(runs: Map<string, RunDelta>, row: SpanRow, id: number): void {
  const { runId, outcome, ...fields } = row.run;
  if (runId === undefined) return;
  let delta = runs.get(runId);
  if (delta === undefined) {
    delta = {
      fields: {},
      outcomeNs: undefined,
      firstNs: row.startNs,
      lastNs: row.endNs,
      spans: 0,
      errors: 0,
      lastId: id,
    };
    runs.set(runId, delta);
  }
  Object.assign(delta.fields, { ...fields, ...delta.fields });
  if (outcome !== undefined && (delta.outcomeNs === undefined || row.startNs < delta.outcomeNs)) {
    delta.fields.outcome = outcome;
    delta.outcomeNs = row.startNs;
  }
  if (row.startNs < delta.firstNs) delta.firstNs = row.startNs;
  if (row.endNs > delta.lastNs) delta.lastNs = row.endNs;
  delta.spans += 1;
  if (row.statusCode === ERROR) delta.errors += 1;
  delta.lastId = id;
}
