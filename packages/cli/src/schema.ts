// The layout of the store. It is plain SQLite, meant to be queried with any tool while `botanu dev` writes it.

/** Goes up with every change of the layout; a store of another layout is refused, never changed. */
export const SCHEMA_VERSION = 1;

/**
 * `spans` holds one row per span, `id` in order of arrival. `run_id` is the span's own attribute and NULL where the span
 * does not carry one. `runs` and `traces` are summaries, written in the transaction of the spans they sum up.
 */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS resources (
  id INTEGER PRIMARY KEY,
  service TEXT NOT NULL,
  attributes TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS spans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trace_id TEXT NOT NULL,
  span_id TEXT NOT NULL,
  parent_span_id TEXT NOT NULL,
  run_id TEXT,
  resource_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  status_code INTEGER NOT NULL,
  status_message TEXT NOT NULL,
  trace_state TEXT NOT NULL,
  flags INTEGER NOT NULL,
  scope TEXT NOT NULL,
  attributes TEXT NOT NULL,
  events TEXT NOT NULL,
  links TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  UNIQUE (trace_id, span_id)
);
CREATE INDEX IF NOT EXISTS spans_by_run ON spans (run_id, trace_id) WHERE run_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS runs (
  run_id TEXT PRIMARY KEY,
  workflow TEXT,
  event_id TEXT,
  customer_id TEXT,
  environment TEXT,
  tenant_id TEXT,
  parent_run_id TEXT,
  root_run_id TEXT,
  retry_of_run_id TEXT,
  attempt INTEGER,
  outcome TEXT,
  outcome_ns INTEGER,
  first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL,
  spans INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  last_id INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (first_ns);
CREATE INDEX IF NOT EXISTS runs_by_arrival ON runs (last_id);
CREATE TABLE IF NOT EXISTS traces (
  trace_id TEXT PRIMARY KEY,
  run_id TEXT,
  last_id INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS traces_without_run ON traces (last_id) WHERE run_id IS NULL;
CREATE TABLE IF NOT EXISTS counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
`;
