import type { ReadableSpan } from "../src/index.ts";

const RESOURCE = { attributes: { "service.name": "shop" } };
const SCOPE = { name: "test", version: "1" };

/** One ended span, with what a test cares about put over it. */
export function makeSpan(overrides: Partial<ReadableSpan> = {}): ReadableSpan {
  return {
    name: "work",
    kind: 0,
    spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 }),
    startTime: [1_764_000_000, 5],
    endTime: [1_764_000_001, 6],
    status: { code: 0 },
    attributes: {},
    links: [],
    events: [],
    resource: RESOURCE,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    ...overrides,
  };
}

/** Spans named by their number. */
export function makeSpans(count: number, overrides: Partial<ReadableSpan> = {}): ReadableSpan[] {
  return Array.from({ length: count }, (_, index) => makeSpan({ name: `${index}`, ...overrides }));
}
