// A run as a tree over all of its traces: what `botanu run` shows and what its JSON holds.

import { type AttemptGroup, type AttemptRule, findAttempts } from "./attempts.ts";
import type { RunData, RunRecord } from "./store-reader.ts";
import { type StoredSpan, endMs, isFailed } from "./stored-span.ts";
import { type Interval, covered, longGaps, mergeIntervals } from "./timeline.ts";
import { TraceIndex } from "./trace-index.ts";

/** A span in its place. */
export interface SpanNode {
  readonly type: "span";
  readonly span: StoredSpan;
  /** False for a span that belongs to the run only by sharing a trace with it. */
  readonly carries: boolean;
  readonly failed: boolean;
  /** True where the parent is named and never arrived. */
  readonly orphan: boolean;
  /** The run around this one, on the first span inside of it. */
  readonly insideRunId: string | undefined;
  /** By how much a span starts before its parent, where clocks disagree by over a millisecond; else 0. */
  readonly skewMs: number;
  /** Which attempt of its group it is, from 1; undefined for what was done once. */
  attempt: { readonly ordinal: number; readonly of: number; readonly rule: AttemptRule } | undefined;
  children: TreeNode[];
}

/** Attempts of one thing under one row. */
export interface AttemptsNode {
  readonly type: "attempts";
  readonly rule: AttemptRule;
  readonly children: SpanNode[];
}

/** Another run that goes on inside this one. */
export interface NestedNode {
  readonly type: "nested";
  readonly runId: string;
  readonly span: StoredSpan;
  spans: number;
  /** What comes back to this run inside the other one. */
  children: TreeNode[];
}

export type TreeNode = SpanNode | AttemptsNode | NestedNode;

/** The spans of one service on the time axis of the run. */
export interface Lane {
  readonly service: string;
  readonly spans: number;
  readonly carrying: number;
  readonly failed: number;
  /** When the service was at it, epoch milliseconds. */
  readonly busy: readonly Interval[];
}

export interface RunTree {
  readonly run: RunRecord;
  /** Epoch milliseconds of the first span. */
  readonly startMs: number;
  /** From the start of the first span to the end of the last. */
  readonly durationMs: number;
  /** Time in which at least one span was open. */
  readonly activeMs: number;
  readonly traces: number;
  readonly carrying: number;
  readonly inherited: number;
  readonly failed: number;
  readonly orphans: number;
  /** Model tokens, counted once where a call was recorded by two instrumentations. */
  readonly tokens: { readonly input: number; readonly output: number };
  readonly lanes: readonly Lane[];
  /** Long stretches in which nothing was recorded, epoch milliseconds. */
  readonly gaps: readonly Interval[];
  readonly attempts: readonly AttemptGroup[];
  /** Ordered by start. */
  readonly roots: readonly TreeNode[];
}

// Deeper levels are shown at this one: a terminal has no room for them, and a hostile chain must not exhaust the stack.
const MAX_LEVELS = 48;
const SKEW_MILLIS = 1;

/** Puts a run together from the spans of all of its traces. */
export function runTree({ run, spans }: RunData): RunTree {
  const traces = [...grouped(spans).values()].map((each) => new TraceIndex(each));
  const owner = new Map(traces.flatMap((trace) => trace.spans.map((span) => [span, trace] as const)));
  const own = spans.filter((span) => owner.get(span)?.runOf(span) === run.runId);
  const parentOf = (span: StoredSpan): StoredSpan | undefined => owner.get(span)?.parent(span);
  const attempts = findAttempts(own, parentOf);
  const roots = traces.flatMap((trace) => placeSpans(trace, run.runId)).toSorted((a, b) => startOf(a) - startOf(b));
  const merged = mergeIntervals(own.map(interval));
  const startMs = merged[0]?.start ?? run.startMs;
  const carrying = own.filter((span) => span.runId !== undefined).length;
  return {
    run,
    startMs,
    durationMs: (merged.at(-1)?.end ?? startMs) - startMs,
    activeMs: covered(merged),
    traces: new Set(own.map((span) => span.traceId)).size,
    carrying,
    inherited: own.length - carrying,
    failed: own.filter(isFailed).length,
    orphans: own.filter((span) => owner.get(span)?.isOrphan(span)).length,
    tokens: countTokens(own, parentOf),
    lanes: lanes(own),
    gaps: longGaps(merged),
    attempts,
    roots: groupAttempts(roots, attempts),
  };
}

/** Goes down a trace without recursion; spans of other runs become one node per run. */
function placeSpans(trace: TraceIndex, runId: string): TreeNode[] {
  const roots: TreeNode[] = [];
  const open: { span: StoredSpan; parent: SpanNode | NestedNode | undefined; level: number }[] = [];
  for (const span of trace.roots.toReversed()) open.push({ span, parent: undefined, level: 0 });
  const placed = new Set<StoredSpan>();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { span, parent, level } = next;
    if (placed.has(span)) continue;
    placed.add(span);
    const node = nodeOf(trace, span, runId, parent);
    if (node !== undefined && node !== parent) (parent?.children ?? roots).push(node);
    const below = node !== undefined && level < MAX_LEVELS ? node : (parent ?? node);
    for (const child of trace.children(span).toReversed()) open.push({ span: child, parent: below, level: level + 1 });
  }
  return roots;
}

/** The node of a span: a new one, the one of the nested run it continues, or none for what is around the run. */
function nodeOf(
  trace: TraceIndex,
  span: StoredSpan,
  runId: string,
  parent: SpanNode | NestedNode | undefined,
): SpanNode | NestedNode | undefined {
  const belongsTo = trace.runOf(span) ?? runId;
  if (belongsTo === runId) return spanNode(trace, span);
  if (parent === undefined) return undefined;
  if (parent.type === "nested" && parent.runId === belongsTo) {
    parent.spans += 1;
    return parent;
  }
  return { type: "nested", runId: belongsTo, span, spans: 1, children: [] };
}

function spanNode(trace: TraceIndex, span: StoredSpan): SpanNode {
  const parent = trace.parent(span);
  const early = parent === undefined ? 0 : parent.startMs - span.startMs;
  const around = parent === undefined ? undefined : trace.runOf(parent);
  return {
    type: "span",
    span,
    carries: span.runId !== undefined,
    failed: isFailed(span),
    orphan: trace.isOrphan(span),
    insideRunId: around === trace.runOf(span) ? undefined : around,
    skewMs: early > SKEW_MILLIS ? early : 0,
    attempt: undefined,
    children: [],
  };
}

/** Numbers attempts, and puts those that stand side by side under one node. */
function groupAttempts(roots: readonly TreeNode[], groups: readonly AttemptGroup[]): TreeNode[] {
  const groupOf = new Map<StoredSpan, AttemptGroup>();
  const numbers = new Map<StoredSpan, SpanNode["attempt"]>();
  for (const group of groups) {
    for (const [index, span] of group.spans.entries()) {
      groupOf.set(span, group);
      numbers.set(span, { ordinal: index + 1, of: group.spans.length, rule: group.rule });
    }
  }
  const top = { children: [...roots] };
  const open: { children: TreeNode[] }[] = [top];
  for (let holder = open.pop(); holder !== undefined; holder = open.pop()) {
    const { children } = holder;
    for (const node of children) {
      if (node.type === "span") node.attempt = numbers.get(node.span);
      if (node.type !== "attempts") open.push(node);
    }
    holder.children = sideBySide(children, groupOf);
  }
  return top.children;
}

function sideBySide(nodes: readonly TreeNode[], groupOf: ReadonlyMap<StoredSpan, AttemptGroup>): TreeNode[] {
  const result: TreeNode[] = [];
  const here = new Map<AttemptGroup, SpanNode[]>();
  for (const node of nodes) {
    const group = node.type === "span" ? groupOf.get(node.span) : undefined;
    if (group === undefined || node.type !== "span") {
      result.push(node);
      continue;
    }
    const members = here.get(group);
    if (members !== undefined) {
      members.push(node);
      continue;
    }
    const first = [node];
    here.set(group, first);
    result.push({ type: "attempts", rule: group.rule, children: first });
  }
  // One member alone has its others elsewhere in the run: its number says so.
  return result.map((node) =>
    node.type === "attempts" && node.children.length === 1 ? (node.children[0] ?? node) : node,
  );
}

function lanes(spans: readonly StoredSpan[]): Lane[] {
  const services = [...grouped(spans, (span) => span.service)];
  return services.map(([service, own]) => ({
    service,
    spans: own.length,
    carrying: own.filter((span) => span.runId !== undefined).length,
    failed: own.filter(isFailed).length,
    busy: mergeIntervals(own.map(interval)),
  }));
}

const TOKENS = { input: "gen_ai.usage.input_tokens", output: "gen_ai.usage.output_tokens" } as const;

/** A model call below another one that has usage is the same call, recorded by a second instrumentation. */
function countTokens(
  spans: readonly StoredSpan[],
  parentOf: (span: StoredSpan) => StoredSpan | undefined,
): RunTree["tokens"] {
  const using = new Set(spans.filter((span) => TOKENS.input in span.attributes || TOKENS.output in span.attributes));
  let input = 0;
  let output = 0;
  for (const span of using) {
    let above = parentOf(span);
    for (let level = 0; level < MAX_LEVELS && above !== undefined && !using.has(above); level += 1)
      above = parentOf(above);
    if (above !== undefined && above !== span && using.has(above)) continue;
    input += Number(span.attributes[TOKENS.input]) || 0;
    output += Number(span.attributes[TOKENS.output]) || 0;
  }
  return { input, output };
}

function startOf(node: TreeNode): number {
  return node.type === "attempts" ? (node.children[0]?.span.startMs ?? 0) : node.span.startMs;
}

function interval(span: StoredSpan): Interval {
  return { start: span.startMs, end: endMs(span) };
}

function grouped(spans: readonly StoredSpan[], key = (span: StoredSpan) => span.traceId): Map<string, StoredSpan[]> {
  const groups = new Map<string, StoredSpan[]>();
  for (const span of spans) {
    const group = groups.get(key(span));
    if (group === undefined) groups.set(key(span), [span]);
    else group.push(span);
  }
  return groups;
}
