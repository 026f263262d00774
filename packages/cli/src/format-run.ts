// A run on a terminal: what it was, who took part and when, and every span in its place.

import { duration, grouped, percent, plural, shortId } from "./quantities.ts";
import { type RowText, type SpanRowText, failureWord, runRows } from "./run-rows.ts";
import type { Lane, RunTree } from "./run-tree.ts";
import type { RunRecord } from "./store-reader.ts";
import { endMs } from "./stored-span.ts";
import { type Screen, createPaint, fit, padEnd, padStart, printable, width } from "./terminal.ts";
import { TimeAxis } from "./time-axis.ts";
import { covered } from "./timeline.ts";

export interface FormatRunOptions {
  /** Default: 100 columns without colour. */
  readonly screen?: Screen | undefined;
  /** Shows each of many like spans instead of folding them. Default false. */
  readonly all?: boolean | undefined;
}

/** Columns of the parts of a row; an axis of 0 is left out. */
interface Layout {
  readonly label: number;
  readonly service: number;
  readonly axis: number;
}

const DURATION = 11;
const SPACE = "  ";
const NARROW = 72;

/** The run as text, each line ended. Span data in it is safe to print. */
export function formatRun(tree: RunTree, options: FormatRunOptions = {}): string {
  const screen = options.screen ?? { columns: 100, paint: createPaint(false) };
  const layout = layoutOf(tree, screen.columns);
  const axis = new TimeAxis(tree.startMs, tree.startMs + tree.durationMs, tree.gaps, Math.max(1, layout.axis));
  // Colours are given in the order of the lanes, so that they are the same in every part.
  const lanes = tree.lanes.map((lane) => laneLine(lane, layout, axis, screen));
  const rows = [...runRows(tree, options.all === true)].map((row) => rowLine(row, layout, axis, screen));
  const ruler = layout.axis === 0 ? [] : [rulerLine(layout, axis, screen)];
  const lines = [...header(tree, screen), "", ...ruler, ...lanes, "", ...rows, ...footer(tree, screen)];
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** The outcome in a word, with a sign before it: colour is never the only one. */
export function outcomeText(outcome: string | undefined, failed: number, screen: Screen): string {
  const { good, bad, warn } = screen.paint;
  if (outcome === "success") return good("✓ success");
  if (outcome === "partial") return warn("◐ partial");
  if (outcome !== undefined) return bad(`✗ ${printable(outcome)}`);
  return failed > 0 ? warn("? no outcome, with errors") : warn("? no outcome");
}

function header(tree: RunTree, screen: Screen): string[] {
  const title = `run ${screen.paint.bold(tree.run.runId)}`;
  return [
    title,
    ...wrapped(description(tree.run, screen), screen.columns),
    ...wrapped(facts(tree, screen), screen.columns),
    carriedLine(tree, screen),
  ];
}

/** What the run is: as its spans say. */
function description(run: RunRecord, { paint }: Screen): string[] {
  const retried = run.retryOfRunId === undefined ? "" : `, retry of ${printable(run.retryOfRunId)}`;
  return [
    run.workflow === undefined ? paint.warn("no workflow") : paint.bold(printable(run.workflow)),
    ...named("customer", run.customerId),
    ...named("event", run.eventId),
    ...named("tenant", run.tenantId),
    ...(run.environment === undefined ? [] : [printable(run.environment)]),
    ...(run.attempt > 1 ? [`attempt ${run.attempt}${retried}`] : []),
    ...named("inside run", run.parentRunId),
  ];
}

/** How it went, in figures. */
function facts(tree: RunTree, screen: Screen): string[] {
  const { paint } = screen;
  const outcome = outcomeText(tree.run.outcome, tree.failed, screen);
  const count = tree.attempts.reduce((sum, group) => sum + group.spans.length - 1, 0);
  const retries = `${grouped(count)} ${count === 1 ? "retry" : "retries"}`;
  const active = tree.activeMs < tree.durationMs * 0.95 ? `, active ${duration(tree.activeMs)}` : "";
  const { input, output } = tree.tokens;
  return [
    tree.run.outcome === undefined || count === 0 ? outcome : `${outcome} after ${retries}`,
    `${duration(tree.durationMs)}${active}`,
    plural(tree.traces, "trace"),
    plural(tree.lanes.length, "service"),
    plural(tree.carrying + tree.inherited, "span"),
    ...(tree.run.outcome === undefined && count > 0 ? [retries] : []),
    ...(tree.failed > 0 ? [paint.bad(`${grouped(tree.failed)} failed`)] : []),
    ...(tree.orphans > 0 ? [paint.warn(plural(tree.orphans, "orphan"))] : []),
    ...(input + output > 0 ? [`${grouped(input)} tokens in, ${grouped(output)} out`] : []),
  ];
}

function carriedLine(tree: RunTree, { paint }: Screen): string {
  const all = tree.carrying + tree.inherited;
  const share = all === 0 ? undefined : (100 * tree.carrying) / all;
  const text = `${percent(share)} of spans carry the run`;
  return tree.inherited === 0 ? paint.good(text) : `${paint.warn(text)} (${tree.carrying} of ${all})`;
}

function footer(tree: RunTree, { paint }: Screen): string[] {
  if (tree.inherited === 0) return [];
  return [
    "",
    paint.dim("○ states no run itself, and is here because of its trace."),
    `  why: botanu coverage --run ${shortId(tree.run.runId)}`,
  ];
}

function named(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`${name} ${printable(value)}`];
}

/** Puts parts side by side, on as many lines as the width asks for. */
function wrapped(parts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const joined = last === undefined ? part : `${last}   ${part}`;
    if (last !== undefined && width(joined) <= columns) lines[lines.length - 1] = joined;
    else lines.push(part);
  }
  return lines;
}

function layoutOf(tree: RunTree, columns: number): Layout {
  const longest = tree.lanes.reduce((most, lane) => Math.max(most, width(printable(lane.service))), 7);
  const service = Math.min(18, Math.floor(columns / 5), longest);
  const axis = columns < NARROW ? 0 : Math.floor(columns * 0.3);
  const axisSpace = axis === 0 ? 0 : axis + SPACE.length;
  return { label: columns - service - axisSpace - DURATION - 2 * SPACE.length, service, axis };
}

function rulerLine(layout: Layout, axis: TimeAxis, { paint }: Screen): string {
  return " ".repeat(layout.label + layout.service + 2 * SPACE.length) + paint.dim(axis.ruler(duration));
}

function laneLine(lane: Lane, layout: Layout, axis: TimeAxis, screen: Screen): string {
  const { paint } = screen;
  const name = fit(printable(lane.service), layout.label);
  const without = lane.spans - lane.carrying;
  const note =
    without === 0
      ? ""
      : `○ ${without === lane.spans ? "none carries the run" : `${without} of ${lane.spans} do not carry the run`}`;
  const rest = fit(note, Math.max(0, layout.label - width(name) - 2));
  const label = paint.service(lane.service, name) + (rest === "" ? "" : `  ${paint.warn(rest)}`);
  const bar = paint.service(lane.service, axis.bar(lane.busy));
  return cells(label, plural(lane.spans, "span"), layout, bar, duration(covered(lane.busy)));
}

function rowLine(row: RowText, layout: Layout, axis: TimeAxis, screen: Screen): string {
  const { paint, columns } = screen;
  if (row.type === "span") return spanLine(row, layout, axis, screen);
  const style = { plain: paint.dim, trace: paint.dim, warn: paint.warn, bad: paint.bad }[row.tone];
  const sign = row.tone === "warn" ? "⚠ " : "";
  const prefix = shallow(row.prefix, columns / 2);
  return paint.dim(prefix) + style(fit(sign + printable(row.text), columns - width(prefix)));
}

function spanLine(row: SpanRowText, layout: Layout, axis: TimeAxis, { paint }: Screen): string {
  const { node } = row;
  const { span } = node;
  const prefix = shallow(row.prefix, layout.label / 2);
  const failure = node.failed ? `✗ ${fit(printable(failureWord(span)), 12)} ` : "";
  const attempt = node.attempt === undefined ? "" : `${node.attempt.ordinal}/${node.attempt.of} `;
  const used = width(prefix) + width(failure) + width(attempt) + 2;
  const name = fit(printable(row.label), layout.label - used);
  const bond = node.carries ? "● " : paint.warn("○ ");
  const label = paint.dim(prefix) + bond + attempt + paint.bad(failure) + (node.carries ? name : paint.dim(name));
  const service = paint.service(span.service, fit(printable(span.service), layout.service));
  const drawn = axis.bar([{ start: span.startMs, end: endMs(span) }]);
  const bar = node.failed ? paint.bad(drawn) : paint.service(span.service, drawn);
  return cells(label, service, layout, bar, duration(span.durationMs));
}

/** Rows deeper than there is room for keep the end of their lines. */
function shallow(prefix: string, columns: number): string {
  return prefix.length <= columns ? prefix : `…${prefix.slice(prefix.length - Math.floor(columns / 2) * 2 + 2)}`;
}

function cells(label: string, service: string, layout: Layout, bar: string, time: string): string {
  const drawn = layout.axis === 0 ? "" : SPACE + bar;
  return (
    padEnd(label, layout.label) + SPACE + padEnd(service, layout.service) + drawn + SPACE + padStart(time, DURATION)
  );
}
