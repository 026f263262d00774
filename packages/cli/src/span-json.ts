// Spans and runs as JSON, for programs.

import type { AttemptRule } from "./attempts.ts";
import type { RunTree, TreeNode } from "./run-tree.ts";
import type { TailedSpan } from "./store-reader.ts";
import { KIND_NAMES, type StoredSpan, isFailed } from "./stored-span.ts";

/** A span as every command prints it. Times are ISO 8601 in UTC and milliseconds. */
function spanJson(span: StoredSpan): Record<string, unknown> {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId || null,
    runId: span.runId ?? null,
    service: span.service,
    name: span.name,
    kind: KIND_NAMES[span.kind] ?? "unspecified",
    startTime: isoTime(span.startMs),
    durationMs: span.durationMs,
    failed: isFailed(span),
    statusMessage: span.statusMessage || null,
    attributes: span.attributes,
    events: span.events,
    links: span.links,
  };
}

/** A span in the order of arrival, with the run that its trace belongs to. */
export function tailJson({ span, workflow, customerId, inheritedRunId }: TailedSpan): Record<string, unknown> {
  const run = { inheritedRunId: inheritedRunId ?? null, workflow: workflow ?? null, customerId: customerId ?? null };
  return { ...spanJson(span), ...run };
}

/** A run with its tree. */
export function runJson(tree: RunTree): Record<string, unknown> {
  const { run, attempts, roots, lanes, gaps, ...facts } = tree;
  const attemptJson = (group: { rule: AttemptRule; spans: readonly StoredSpan[] }): Record<string, unknown> => ({
    rule: group.rule,
    spanIds: group.spans.map((span) => span.spanId),
  });
  const all = facts.carrying + facts.inherited;
  return {
    ...run,
    startTime: isoTime(facts.startMs),
    ...facts,
    coveragePercent: all === 0 ? null : (100 * facts.carrying) / all,
    lanes,
    gaps,
    attempts: attempts.map(attemptJson),
    tree: roots.map(nodeJson),
  };
}

function nodeJson(node: TreeNode): Record<string, unknown> {
  const children = node.children.map(nodeJson);
  if (node.type === "attempts") return { type: "attempts", rule: node.rule, children };
  if (node.type === "nested") return { type: "nested", runId: node.runId, spans: node.spans, children };
  const { carries, orphan, skewMs, insideRunId, attempt } = node;
  const place = { carries, orphan, skewMs, insideRunId: insideRunId ?? null, attempt: attempt ?? null };
  return { type: "span", ...spanJson(node.span), ...place, children };
}

/** ISO 8601; a time that no calendar holds is left out. */
export function isoTime(millis: number): string | null {
  const date = new Date(millis);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
