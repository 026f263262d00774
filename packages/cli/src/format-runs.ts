// Lists on a terminal: the runs, and spans as they arrive.

import { clock, dateTime, duration, percent, shortId } from "./quantities.ts";
import { failureWord, spanLabel } from "./run-rows.ts";
import { outcomeText } from "./format-run.ts";
import type { RunSummary, TailedSpan } from "./store-reader.ts";
import { isFailed } from "./stored-span.ts";
import { type Screen, fit, padEnd, padStart, printable, width } from "./terminal.ts";

interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** Least columns of the screen at which it is shown. */
  readonly from: number;
  readonly of: (run: RunSummary) => string;
}

const MAX_CELL = 24;

/** The runs as a table, newest first as they are given. Narrow screens lose columns, never rows. */
export function formatRuns(runs: readonly RunSummary[], screen: Screen, timeZone?: string): string {
  const { paint, columns } = screen;
  const text = (value: string | undefined): string =>
    value === undefined ? paint.dim("·") : fit(printable(value), MAX_CELL);
  const all: readonly Column[] = [
    { title: "started", from: 0, of: (run) => dateTime(run.startMs, timeZone) },
    { title: "run", from: 0, of: (run) => paint.bold(shortId(run.runId)) },
    { title: "workflow", from: 0, of: (run) => text(run.workflow) },
    { title: "customer", from: 72, of: (run) => text(run.customerId) },
    { title: "event", from: 100, of: (run) => text(run.eventId) },
    { title: "outcome", from: 0, of: (run) => outcomeText(run.outcome, run.errors, screen) },
    { title: "time", right: true, from: 72, of: (run) => duration(run.durationMs) },
    { title: "traces", right: true, from: 110, of: (run) => String(run.traces) },
    { title: "services", right: true, from: 110, of: (run) => String(run.services) },
    { title: "spans", right: true, from: 80, of: (run) => String(run.carrying + run.inherited) },
    { title: "carried", right: true, from: 60, of: (run) => carried(run, screen) },
  ];
  const shown = all.filter((column) => columns >= column.from);
  const cells = runs.map((run) => shown.map((column) => column.of(run)));
  const widths = shown.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => width(row[index] ?? ""))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => (shown[index]?.right === true ? padStart : padEnd)(cell, widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  const head = line(shown.map((column) => paint.dim(column.title)));
  return `${[head, ...cells.map(line)].join("\n")}\n`;
}

function carried(run: RunSummary, { paint }: Screen): string {
  const all = run.carrying + run.inherited;
  const text = percent(all === 0 ? undefined : (100 * run.carrying) / all);
  return run.inherited === 0 ? text : paint.warn(text);
}

/** One span on one line. */
export function formatTailed(tailed: TailedSpan, { paint, columns }: Screen, timeZone?: string): string {
  const { span, workflow, customerId, inheritedRunId } = tailed;
  const runId = span.runId ?? inheritedRunId;
  const bond = span.runId === undefined ? (inheritedRunId === undefined ? paint.dim("·") : paint.warn("○")) : "●";
  const run = [workflow, customerId].flatMap((each) => (each === undefined ? [] : printable(each))).join(" ");
  const tail = runId === undefined ? "" : `${fit(run, 24)} ${paint.dim(shortId(runId))}`.trim();
  const failure = isFailed(span) ? `✗ ${fit(printable(failureWord(span)), 16)} ` : "";
  const head = `${paint.dim(clock(span.startMs, timeZone))}  ${padEnd(paint.service(span.service, fit(printable(span.service), 16)), 16)}  ${bond} `;
  const room = Math.max(8, columns - width(head) - width(failure) - 11 - (tail === "" ? 0 : width(tail) + 2));
  const name = padEnd(fit(printable(spanLabel(span)), room), room);
  return `${head}${paint.bad(failure)}${name}  ${padStart(duration(span.durationMs), 9)}  ${tail}`.trimEnd();
}
