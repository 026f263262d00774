// The coverage report: which services carry the run on their spans, which only share a trace with it, and why.

import { ADVICE, type CoverageRule } from "./coverage-advice.ts";
import {
  type Call,
  GRACE_MILLIS,
  type Sighting,
  calls,
  explainInherited,
  isSentUnsampled,
  largeBaggage,
  orphans,
  reached,
  secondRuns,
  unsampledLinks,
} from "./coverage-rules.ts";
import { type LoneTrace, explainLone, readLoneTrace } from "./lone-trace.ts";
import type { StoredSpan } from "./stored-span.ts";
import { TraceIndex } from "./trace-index.ts";

/** Spans of one service, or of all. */
export interface CoverageCount {
  /** Spans that state the run themselves. */
  readonly carries: number;
  /** Spans that state none and share a trace with a run. */
  readonly inherited: number;
  /** Spans of traces in which nothing states a run. */
  readonly missing: number;
}

export interface ServiceCoverage extends CoverageCount {
  readonly service: string;
  /** `telemetry.sdk.language`; empty where the service does not say. */
  readonly language: string;
}

/** One cause, with the line that ends it. */
export interface CoverageFinding {
  readonly rule: CoverageRule;
  /** `probable` is a conclusion from circumstances; it never changes the figures. */
  readonly certainty: "fact" | "probable";
  readonly service: string;
  readonly spans: number;
  readonly message: string;
  readonly fix: string;
  /** One span to look at. */
  readonly example: { readonly traceId: string; readonly spanId: string };
}

export interface CoverageReport extends CoverageCount {
  /** Carrying spans of all spans, in percent; undefined when there is no span. */
  readonly percent: number | undefined;
  readonly services: readonly ServiceCoverage[];
  /** Facts first, then the most spans first. */
  readonly findings: readonly CoverageFinding[];
}

export interface CoverageOptions {
  /** Epoch milliseconds: parents and callees of the last seconds may still be on their way. */
  readonly now: number;
  /** Looks at one run only; at every run and every trace when not given. */
  readonly runId?: string | undefined;
  /** Services known to write run ids, beyond what the given spans show. */
  readonly carriers?: ReadonlySet<string> | undefined;
}

/**
 * Reports on traces. The span counts are exact; the causes follow rules that can be told from spans alone, and what is
 * only likely is marked so.
 *
 * @param traces the spans of each trace, ordered by start
 */
export function coverageReport(traces: Iterable<readonly StoredSpan[]>, options: CoverageOptions): CoverageReport {
  const coverage = new Coverage(options);
  for (const spans of traces) if (spans.length > 0) coverage.add(new TraceIndex(spans));
  return coverage.finish();
}

interface Tally {
  carries: number;
  inherited: number;
  missing: number;
  readonly language: string;
}

interface Seen {
  readonly sighting: Sighting;
  spans: number;
}

interface Evidence {
  looks: number;
  strength: number;
  text: string;
}

/** Looks for evidence per service: the strongest counts, and more looks rarely find a stronger one. */
const LOOKS = 50;
/** Traces without a run, and calls without an answer, that are held until all traces were seen. */
const MAX_HELD = 5000;

class Coverage {
  readonly #options: CoverageOptions;
  readonly #tallies: Map<string, Tally> = new Map();
  readonly #seen: Map<string, Seen> = new Map();
  /** Inherited spans: whether their service writes run ids anywhere is known when all were seen. */
  readonly #undecided: Map<string, Seen> = new Map();
  readonly #evidence: Map<string, Evidence> = new Map();
  readonly #lone: LoneTrace[] = [];
  readonly #unanswered: Set<Call> = new Set();
  readonly #answering: Set<string> = new Set();
  readonly #runTraces: Set<string> = new Set();

  constructor(options: CoverageOptions) {
    this.#options = options;
  }

  add(trace: TraceIndex): void {
    if (trace.runIds.length === 0) {
      const lone = readLoneTrace(trace);
      if (this.#lone.length < MAX_HELD) this.#lone.push(lone);
      else if (this.#options.runId === undefined)
        this.#countMissing(lone, { rule: "no-run", span: lone.root, other: "" });
      return;
    }
    for (const span of trace.spans) if (this.#isWanted(trace, span)) this.#count(trace, span);
    for (const rule of [
      secondRuns(trace),
      orphans(trace, this.#options.now),
      largeBaggage(trace),
      unsampledLinks(trace),
    ]) {
      for (const sighting of rule) if (this.#isWanted(trace, sighting.span)) see(this.#seen, sighting);
    }
    for (const call of calls(trace)) if (this.#isWanted(trace, call.span)) this.#listen(call);
  }

  finish(): CoverageReport {
    for (const each of this.#undecided.values()) see(this.#seen, this.#decided(each.sighting), each.spans);
    for (const lone of this.#lone) this.#settle(lone);
    for (const call of this.#unanswered) this.#report(call);
    const services = [...this.#tallies].map(([service, tally]) => ({ service, ...tally }));
    const total = (of: "carries" | "inherited" | "missing"): number =>
      services.reduce((sum, each) => sum + each[of], 0);
    const count = { carries: total("carries"), inherited: total("inherited"), missing: total("missing") };
    const all = count.carries + count.inherited + count.missing;
    return {
      ...count,
      percent: all === 0 ? undefined : (100 * count.carries) / all,
      services: services.toSorted((a, b) => a.service.localeCompare(b.service)),
      findings: [...this.#seen.values()].map((each) => this.#finding(each)).toSorted(bySeverity),
    };
  }

  #isWanted(trace: TraceIndex, span: StoredSpan): boolean {
    const wanted = this.#options.runId === undefined || trace.runOf(span) === this.#options.runId;
    if (wanted) this.#runTraces.add(span.traceId);
    return wanted;
  }

  #count(trace: TraceIndex, span: StoredSpan): void {
    const tally = this.#tally(span);
    if (span.runId !== undefined) {
      tally.carries += 1;
      return;
    }
    tally.inherited += 1;
    const sighting = explainInherited(trace, span, true);
    see(sighting.rule === "outside-run" ? this.#seen : this.#undecided, sighting);
    if (sighting.rule !== "outside-run") this.#lookAt(trace, span);
  }

  #lookAt(trace: TraceIndex, span: StoredSpan): void {
    const known = this.#evidence.get(span.service) ?? { looks: 0, strength: 0, text: "" };
    this.#evidence.set(span.service, known);
    if ((known.looks += 1) > LOOKS) return;
    const found = reached(trace, span);
    if (found.strength > known.strength) Object.assign(known, found);
  }

  #decided(sighting: Sighting): Sighting {
    const { service } = sighting.span;
    const stamps = (this.#tallies.get(service)?.carries ?? 0) > 0 || this.#options.carriers?.has(service) === true;
    if (stamps) return sighting;
    return { ...sighting, rule: "not-stamped", other: this.#evidence.get(service)?.text ?? "" };
  }

  #listen(call: Call): void {
    if (call.continued) this.#answering.add(call.target);
    else if (this.#unanswered.size < MAX_HELD) this.#unanswered.add(call);
  }

  #settle(lone: LoneTrace): void {
    const { rule, other, call } = explainLone(lone, this.#runTraces, this.#unanswered);
    const sighting = { rule, span: lone.root, other };
    if (call !== undefined) this.#unanswered.delete(call);
    // A likely cause is told, and what a run is charged with is only what is certain.
    if (this.#options.runId === undefined || rule === "linked-trace") this.#countMissing(lone, sighting);
    else if (rule === "new-trace") see(this.#seen, sighting, lone.spans);
  }

  #countMissing(lone: LoneTrace, sighting: Sighting): void {
    for (const { count, span } of lone.services.values()) this.#tally(span).missing += count;
    see(this.#seen, sighting, lone.spans);
  }

  #report(call: Call): void {
    const { span, target } = call;
    if (isSentUnsampled(span)) see(this.#seen, { rule: "unsampled", span, other: target });
    else if (this.#options.now - span.receivedMs < GRACE_MILLIS) return;
    else if (call.answered || this.#answering.has(target))
      see(this.#seen, { rule: "silent-callee", span, other: target });
  }

  #tally(span: StoredSpan): Tally {
    let tally = this.#tallies.get(span.service);
    if (tally === undefined) {
      const named = span.resource["telemetry.sdk.language"];
      const language = typeof named === "string" ? named : "";
      this.#tallies.set(span.service, (tally = { carries: 0, inherited: 0, missing: 0, language }));
    }
    return tally;
  }

  #finding({ sighting, spans }: Seen): CoverageFinding {
    const { rule, span, other } = sighting;
    const { fact, message, fix } = ADVICE[rule];
    const about = { service: span.service, other, language: this.#tallies.get(span.service)?.language ?? "" };
    return {
      rule,
      certainty: fact ? "fact" : "probable",
      service: span.service,
      spans,
      message: message(about),
      fix: fix(about),
      example: { traceId: span.traceId, spanId: span.spanId },
    };
  }
}

function see(seen: Map<string, Seen>, sighting: Sighting, spans = 1): void {
  const { rule, span, other } = sighting;
  // Each orphan and each second run names another id: they are one finding, with the first as its example.
  const key = [rule, span.service, rule === "orphan" || rule === "two-runs" ? "" : other].join("\n");
  const known = seen.get(key);
  if (known === undefined) seen.set(key, { sighting, spans });
  else known.spans += spans;
}

function bySeverity(a: CoverageFinding, b: CoverageFinding): number {
  if (a.certainty !== b.certainty) return a.certainty === "fact" ? -1 : 1;
  return b.spans - a.spans || a.message.localeCompare(b.message);
}
