// One trace as a graph, and which run each of its spans belongs to.

import { KIND, type StoredSpan, attributeText } from "./stored-span.ts";

/** What is known of a span from its place in the trace. */
interface Place {
  /** The nearest ancestor that carries a run. */
  readonly carrier: StoredSpan | undefined;
  /** The topmost of the unbroken line of spans of the same service. */
  readonly entry: StoredSpan;
  readonly depth: number;
  /** Up to two services that carry a run below: enough to tell whether another than the span's own does. */
  carryingBelow: readonly string[];
}

/** The spans of one trace by their relations. Linear in the number of spans, whatever their shape. */
export class TraceIndex {
  readonly spans: readonly StoredSpan[];
  /** Ids of the runs that spans of this trace carry, the one that starts first in front. */
  readonly runIds: readonly string[];
  /** Spans without a parent here: true roots, orphans, and one span of each circle. Ordered by start. */
  readonly roots: readonly StoredSpan[];
  readonly #byId: Map<string, StoredSpan> = new Map();
  readonly #children: Map<string, StoredSpan[]> = new Map();
  readonly #places: Map<StoredSpan, Place> = new Map();

  /** @param spans spans of one trace, ordered by start */
  constructor(spans: readonly StoredSpan[]) {
    this.spans = spans;
    for (const span of spans) {
      this.#byId.set(span.spanId, span);
      if (span.parentSpanId === "") continue;
      const siblings = this.#children.get(span.parentSpanId);
      if (siblings === undefined) this.#children.set(span.parentSpanId, [span]);
      else siblings.push(span);
    }
    this.runIds = [...new Set(spans.flatMap((span) => span.runId ?? []))];
    const roots = spans.filter((span) => this.parent(span) === undefined);
    for (const root of roots) this.#place(root);
    const circles = spans.filter((span) => !this.#places.has(span) && this.#place(span));
    this.roots = [...roots, ...circles].toSorted((a, b) => a.startMs - b.startMs);
    this.#lookBelow();
  }

  parent(span: StoredSpan): StoredSpan | undefined {
    return span.parentSpanId === "" ? undefined : this.#byId.get(span.parentSpanId);
  }

  children(span: StoredSpan): readonly StoredSpan[] {
    return this.#children.get(span.spanId) ?? [];
  }

  /** Levels below the root; 0 for a root. */
  depth(span: StoredSpan): number {
    return this.#places.get(span)?.depth ?? 0;
  }

  /** True where a span names a parent that is not among the spans of its trace. */
  isOrphan(span: StoredSpan): boolean {
    return span.parentSpanId !== "" && !this.#byId.has(span.parentSpanId);
  }

  /** The nearest ancestor that carries a run. */
  carrierAbove(span: StoredSpan): StoredSpan | undefined {
    return this.#places.get(span)?.carrier;
  }

  /**
   * The run a span belongs to: its own, else that of the nearest ancestor with one, else the one its trace state names, else
   * the one that starts first in the trace. Only the first is a fact that the span itself states.
   */
  runOf(span: StoredSpan): string | undefined {
    const known = span.runId ?? this.carrierAbove(span)?.runId;
    if (known !== undefined || this.runIds.length < 2) return known ?? this.runIds[0];
    const named = runInTraceState(span);
    return this.runIds.find((runId) => runId === named) ?? this.runIds[0];
  }

  /** The span by which a service was entered: the topmost of the unbroken line of the service's own spans. */
  entryOf(span: StoredSpan): StoredSpan {
    return this.#places.get(span)?.entry ?? span;
  }

  /** True where a span below, of another service, carries a run: it went through here. */
  passesOn(span: StoredSpan): boolean {
    return this.#places.get(span)?.carryingBelow.some((service) => service !== span.service) ?? false;
  }

  /** Walks down from a root without recursion and notes every span's place. Always true: it placed the root. */
  #place(root: StoredSpan): boolean {
    const open = [root];
    for (let span = open.pop(); span !== undefined; span = open.pop()) {
      if (this.#places.has(span)) continue;
      const parent = span === root ? undefined : this.parent(span);
      const above = parent === undefined ? undefined : this.#places.get(parent);
      const carrier = parent?.runId === undefined ? above?.carrier : parent;
      const entry = above !== undefined && parent?.service === span.service ? above.entry : span;
      this.#places.set(span, { carrier, entry, depth: above === undefined ? 0 : above.depth + 1, carryingBelow: [] });
      open.push(...this.children(span));
    }
    return true;
  }

  /** Places were noted parents first, so backwards every span is seen after all that is below it. */
  #lookBelow(): void {
    for (const [span, place] of [...this.#places].toReversed()) {
      const parent = this.parent(span);
      const above = parent === undefined ? undefined : this.#places.get(parent);
      if (above === undefined || above.carryingBelow.length > 1) continue;
      const own = span.runId === undefined ? [] : [span.service];
      above.carryingBelow = [...new Set([...above.carryingBelow, ...place.carryingBelow, ...own])].slice(0, 2);
    }
  }
}

/** The run that the trace state of a span names: the first one of its trace. */
export function runInTraceState(span: StoredSpan): string | undefined {
  return /(?:^|,)\s*botanu=([^,\s]+)/.exec(span.traceState)?.[1];
}

/** The target of an HTTP call or the request of an HTTP server span, by current and older attribute names. */
export interface HttpRequest {
  readonly method: string;
  readonly host: string | undefined;
  readonly port: string | undefined;
  readonly path: string;
}

/** Reads method, host, port and path of a client or server span; undefined for a span that is not HTTP. */
export function httpRequest(span: StoredSpan): HttpRequest | undefined {
  const method = attributeText(span, "http.request.method", "http.method");
  if (method === undefined) return undefined;
  const url = parseUrl(attributeText(span, "url.full", "http.url"));
  const path = attributeText(span, "url.path") ?? url?.pathname ?? attributeText(span, "http.target") ?? "";
  return {
    method,
    host: attributeText(span, "server.address", "net.peer.name") ?? url?.hostname,
    port:
      attributeText(span, "server.port", "net.peer.port", "net.host.port") ??
      (url === undefined ? undefined : portOf(url)),
    path: path.split("?", 1)[0] ?? "",
  };
}

/** True for a span by which a call or a message comes in. */
export function isIncoming(span: StoredSpan): boolean {
  return span.kind === KIND.server || span.kind === KIND.consumer;
}

function parseUrl(text: string | undefined): URL | undefined {
  return text === undefined ? undefined : (URL.parse(text) ?? undefined);
}

function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80");
}
