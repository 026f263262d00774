// A trace in which no span states a run: where it may have come from.

import type { CoverageRule } from "./coverage-advice.ts";
import type { Call } from "./coverage-rules.ts";
import { type StoredSpan, endMs } from "./stored-span.ts";
import { type TraceIndex, httpRequest, isIncoming } from "./trace-index.ts";

/** What is kept of such a trace until every trace was seen. */
export interface LoneTrace {
  readonly root: StoredSpan;
  readonly spans: number;
  /** Spans per service, with one of them. */
  readonly services: ReadonlyMap<string, { readonly count: number; readonly span: StoredSpan }>;
  /** Traces that spans of this one link to. */
  readonly linked: ReadonlySet<string>;
}

/** Why such a trace has no run. */
export interface LoneCause {
  readonly rule: CoverageRule;
  readonly other: string;
  /** The call that the trace seems to be the answer of. */
  readonly call?: Call;
}

// Clocks of two machines of one network differ by less; a wider window would only make wrong guesses.
const SKEW_MILLIS = 50;

export function readLoneTrace(trace: TraceIndex): LoneTrace {
  const services = new Map<string, { count: number; span: StoredSpan }>();
  const linked = new Set<string>();
  for (const span of trace.spans) {
    const known = services.get(span.service);
    if (known === undefined) services.set(span.service, { count: 1, span });
    else known.count += 1;
    for (const link of span.links) linked.add(link.traceId);
  }
  const [root] = trace.roots;
  if (root === undefined) throw new RangeError("a trace has at least one span");
  return { root, spans: trace.spans.length, services, linked };
}

/** Tells the cause: a link to a trace with a run is a fact, an unanswered call at the same time a likelihood. */
export function explainLone(lone: LoneTrace, runTraces: ReadonlySet<string>, unanswered: Iterable<Call>): LoneCause {
  for (const traceId of lone.linked) if (runTraces.has(traceId)) return { rule: "linked-trace", other: "" };
  for (const call of unanswered) {
    if (matches(lone.root, call)) return { rule: "new-trace", other: call.span.service, call };
  }
  return { rule: "no-run", other: "" };
}

/** An incoming root inside the time of a call, with the callee's name or the same method, path and port. */
function matches(root: StoredSpan, call: Call): boolean {
  if (root.parentSpanId !== "" || !isIncoming(root) || root.service === call.span.service) return false;
  const early = root.startMs < call.span.startMs - SKEW_MILLIS;
  if (early || root.startMs > endMs(call.span) + SKEW_MILLIS) return false;
  if (call.peer !== undefined) return call.peer === root.service;
  const request = httpRequest(root);
  if (request === undefined || request.method !== call.method || request.path !== call.path) return false;
  return request.port === undefined || call.port === undefined || request.port === call.port;
}
