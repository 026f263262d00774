// Why a span does not carry the run of its trace, told from the spans alone.

import type { CoverageRule } from "./coverage-advice.ts";
import { KIND, type StoredSpan, attributeText, httpStatus } from "./stored-span.ts";
import { type TraceIndex, httpRequest, runInTraceState } from "./trace-index.ts";

/** One cause seen at one span. */
export interface Sighting {
  readonly rule: CoverageRule;
  readonly span: StoredSpan;
  /** See {@link Circumstances}. */
  readonly other: string;
}

/** Parents that are still on their way are no orphans: exporters send in batches. */
export const GRACE_MILLIS = 10_000;

const BAGGAGE_WARN_BYTES = 7400;
const BAGGAGE_WARN_MEMBERS = 58;
const FLAG_SAMPLED = 1;
const FLAG_REMOTE_KNOWN = 0x100;
const FLAG_REMOTE = 0x200;

/**
 * Why a span of a trace with a run carries none. `stamps` says whether its service writes run ids anywhere: a service
 * that never does is a different fault from one that does elsewhere.
 */
export function explainInherited(trace: TraceIndex, span: StoredSpan, stamps: boolean): Sighting {
  const entry = trace.entryOf(span);
  const carrier = trace.carrierAbove(span);
  if (entry.parentSpanId === "" && carrier === undefined) return { rule: "outside-run", span, other: "" };
  if (!stamps) return { rule: "not-stamped", span, other: "" };
  if (carrier?.service === span.service) return { rule: "context-lost", span, other: "" };
  return { rule: "dropped", span, other: trace.parent(entry)?.service ?? "its caller" };
}

/** What shows that the run reached a service that does not write it: `strength` grows with what is known. */
export function reached(trace: TraceIndex, span: StoredSpan): { readonly strength: number; readonly text: string } {
  const entry = trace.entryOf(span);
  if (trace.passesOn(entry)) return { strength: 4, text: "passes the run on" };
  if (runInTraceState(entry) !== undefined) return { strength: 3, text: "is sent the run (trace state)" };
  const caller = trace.parent(entry);
  if (caller === undefined) return { strength: 1, text: "is called inside the run" };
  return { strength: 2, text: `is called inside the run by ${caller.service}` };
}

/**
 * Looks for a second run that begins inside of another without being nested in it.
 *
 * @yields each span of it that is called from the other run
 */
export function* secondRuns(trace: TraceIndex): Generator<Sighting> {
  if (trace.runIds.length < 2) return;
  for (const span of trace.spans) {
    if (span.runId === undefined) continue;
    const outer = trace.carrierAbove(span)?.runId;
    if (outer === undefined || outer === span.runId) continue;
    // Coming back from a nested run to the one around it is no new run.
    if (trace.runIds.indexOf(span.runId) < trace.runIds.indexOf(outer)) continue;
    if (attributeText(span, "botanu.parent_run_id") !== undefined) continue;
    yield { rule: "two-runs", span, other: outer };
  }
}

/**
 * Looks for parents that never arrived.
 *
 * @yields each span that names one, with what its flags tell about it
 */
export function* orphans(trace: TraceIndex, now: number): Generator<Sighting> {
  for (const span of trace.spans) {
    if (!trace.isOrphan(span) || now - span.receivedMs < GRACE_MILLIS) continue;
    yield { rule: "orphan", span, other: `${span.parentSpanId}${whereParentWas(span)}` };
  }
}

/** https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/trace/v1/trace.proto, SpanFlags */
function whereParentWas(span: StoredSpan): string {
  if ((span.flags & FLAG_REMOTE_KNOWN) === 0) return "";
  return (span.flags & FLAG_REMOTE) === 0 ? " (same process)" : " (in the caller)";
}

/**
 * Looks at baggage headers that were recorded, and how close they come to the limits of W3C Baggage.
 *
 * @yields each span with one that is close
 */
export function* largeBaggage(trace: TraceIndex): Generator<Sighting> {
  for (const span of trace.spans) {
    const recorded = span.attributes["http.request.header.baggage"];
    if (recorded === undefined) continue;
    const header = headerText(recorded);
    const near = Buffer.byteLength(header) > BAGGAGE_WARN_BYTES || header.split(",").length > BAGGAGE_WARN_MEMBERS;
    if (near) yield { rule: "over-limit", span, other: "" };
  }
}

/** An HTTP call that a span records. */
export interface Call {
  readonly span: StoredSpan;
  readonly method: string;
  readonly path: string;
  readonly port: string | undefined;
  /** Host, with the port where it is not the scheme's own. */
  readonly target: string;
  /** `peer.service`, where the caller knows it. */
  readonly peer: string | undefined;
  /** True where a span of another service goes on from it. */
  readonly continued: boolean;
  /** True where the call got an answer from an address of our own: somebody should have recorded it. */
  readonly answered: boolean;
}

/**
 * Looks for HTTP calls.
 *
 * @yields each one, unless it is recorded once more by a client below
 */
export function* calls(trace: TraceIndex): Generator<Call> {
  for (const span of trace.spans) {
    if (span.kind !== KIND.client) continue;
    const children = trace.children(span);
    const continued = children.some((child) => child.service !== span.service);
    if (children.length > 0 && !continued) continue;
    const request = httpRequest(span);
    if (request === undefined) continue;
    const { method, path, port, host = "" } = request;
    const target = port === undefined || port === "80" || port === "443" ? host : `${host}:${port}`;
    const peer = attributeText(span, "peer.service");
    const answered = httpStatus(span) !== undefined && isInternal(host);
    yield { span, method, path, port, target, peer, continued, answered };
  }
}

/** True where the recorded `traceparent` of a call says that it is not sampled. */
export function isSentUnsampled(span: StoredSpan): boolean {
  const text = headerText(span.attributes["http.request.header.traceparent"]);
  const flags = Number.parseInt(text.split("-")[3] ?? "01", 16);
  return (flags & 1) === 0;
}

/** Addresses that run context is sent to by default: loopback, private ones and names inside a cluster. */
export function isInternal(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (/^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)[\d.]+$/.test(name)) return true;
  if (name === "::1" || /^f[cd][0-9a-f]{2}:/.test(name)) return true;
  return name !== "" && (!/[.:]/.test(name) || /\.(local|internal|svc|cluster\.local|localhost)$/.test(name));
}

/** A recorded header: a list of field values, or one. */
function headerText(recorded: unknown): string {
  if (Array.isArray(recorded)) return recorded.join(",");
  return typeof recorded === "string" ? recorded : "";
}

/**
 * Looks for links that say of their target that it was not sampled: what sent the message recorded nothing. Some exporters
 * write the flags of W3C nowhere (Python, Java); one that writes them has the sampled flag on its own span.
 *
 * @yields each span with such a link
 */
export function* unsampledLinks(trace: TraceIndex): Generator<Sighting> {
  for (const span of trace.spans) {
    if ((span.flags & FLAG_SAMPLED) === 0) continue;
    const link = span.links.find(({ flags = 0 }) => (flags & FLAG_REMOTE_KNOWN) !== 0 && (flags & FLAG_SAMPLED) === 0);
    if (link !== undefined) yield { rule: "unsampled", span, other: "" };
  }
}
