// Spans for tests: written short, and turned into what is read from a store or sent over the wire.

import { KIND, type StoredSpan } from "./stored-span.ts";

/** Two runs, in the order in which they start. */
export const RUN = "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071";
export const OTHER_RUN = "019a2b3c-4d5e-7f60-8a1b-aaaaaaaaaaaa";

/** Epoch milliseconds of `at: 0`. */
export const START = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A span in a few words. Ids are small numbers; times are milliseconds after {@link START}. */
export interface Sketch {
  readonly id: number;
  readonly parent?: number;
  readonly trace?: number;
  readonly service?: string;
  readonly name?: string;
  readonly kind?: keyof typeof KIND;
  readonly run?: string | undefined;
  readonly at?: number;
  readonly ms?: number;
  readonly failed?: boolean;
  readonly message?: string;
  readonly traceState?: string;
  readonly flags?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly events?: StoredSpan["events"] | undefined;
  readonly links?: readonly { readonly trace: number; readonly id: number }[];
  readonly language?: string;
  readonly received?: number;
}

export function traceId(number: number): string {
  return `a${number.toString(16).padStart(31, "0")}`;
}

export function spanId(number: number): string {
  return `b${number.toString(16).padStart(15, "0")}`;
}

/** What a store would give back for a sketch. */
export function span(sketch: Sketch): StoredSpan {
  return {
    id: sketch.id,
    traceId: traceId(sketch.trace ?? 1),
    spanId: spanId(sketch.id),
    parentSpanId: sketch.parent === undefined ? "" : spanId(sketch.parent),
    runId: sketch.run,
    service: sketch.service ?? "edge",
    name: sketch.name ?? `span ${sketch.id}`,
    kind: KIND[sketch.kind ?? "internal"],
    startMs: START + (sketch.at ?? sketch.id),
    durationMs: sketch.ms ?? 1,
    statusCode: sketch.failed === true ? 2 : 0,
    statusMessage: sketch.message ?? "",
    traceState: sketch.traceState ?? "",
    flags: sketch.flags ?? 0x100,
    scope: "",
    receivedMs: START + (sketch.received ?? 0),
    attributes: sketch.attributes ?? {},
    events: sketch.events ?? [],
    links: (sketch.links ?? []).map((link) => ({
      traceId: traceId(link.trace),
      spanId: spanId(link.id),
      attributes: {},
    })),
    resource: sketch.language === undefined ? {} : { "telemetry.sdk.language": sketch.language },
  };
}

export function spans(...sketches: readonly Sketch[]): StoredSpan[] {
  return sketches.map(span).toSorted((a, b) => a.startMs - b.startMs);
}

/** The same sketches as the body of an OTLP/JSON request. */
export function otlpJson(...sketches: readonly Sketch[]): { resourceSpans: unknown[] } {
  return { resourceSpans: sketches.map((sketch) => resourceSpans(sketch)) };
}

function resourceSpans(sketch: Sketch): unknown {
  const stored = span(sketch);
  const start = BigInt(Math.round(stored.startMs * 1000)) * 1000n;
  const own = sketch.run === undefined ? {} : { "botanu.run_id": sketch.run };
  return {
    resource: { attributes: keyValues({ "service.name": stored.service, ...stored.resource }) },
    scopeSpans: [
      {
        scope: { name: "fixture" },
        spans: [
          {
            traceId: stored.traceId,
            spanId: stored.spanId,
            parentSpanId: stored.parentSpanId,
            name: stored.name,
            kind: stored.kind,
            startTimeUnixNano: String(start),
            endTimeUnixNano: String(start + BigInt(Math.round(stored.durationMs * 1e6))),
            attributes: keyValues({ ...own, ...stored.attributes }),
            events: stored.events.map((event) => ({ ...event, attributes: keyValues(event.attributes) })),
            links: stored.links.map(({ traceId: trace, spanId: id }) => ({ traceId: trace, spanId: id })),
            status: { code: stored.statusCode, message: stored.statusMessage },
            traceState: stored.traceState,
            flags: stored.flags,
          },
        ],
      },
    ],
  };
}

function keyValues(attributes: Readonly<Record<string, unknown>>): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: unknown): unknown {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: (value as unknown[]).map(anyValue) } };
}
