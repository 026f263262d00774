// A run with one of everything: three traces, a call that is repeated, a message that is delivered twice, a service that does
// not write the run, a run inside it, a clock that is off, an orphan, long gaps.

import { OTHER_RUN, RUN, START, type Sketch, spans } from "./span.fixture.ts";
import type { RunData } from "./store-reader.ts";

const intake = (status: number): Readonly<Record<string, unknown>> => ({
  "http.request.method": "POST",
  "url.full": "http://127.0.0.1:8081/intake",
  "http.response.status_code": status,
});
const message = { "messaging.message.id": "m-1", "messaging.destination.name": "orders" };
const edge = { service: "edge-worker", run: RUN } as const;
const orders = { service: "orders-api", name: "POST /intake", kind: "server" } as const;
const consumer = {
  service: "edge-consumer",
  name: "orders process",
  kind: "consumer",
  run: RUN,
  attributes: message,
} as const;
const notReady = { name: "exception", timeUnixNano: "1", attributes: { "exception.message": "not ready" } };

export const STORY: readonly Sketch[] = [
  { ...edge, id: 1, name: "POST /orders", kind: "server", at: 0, ms: 212 },
  { ...edge, id: 2, parent: 1, name: "botanu.run/order", at: 1, ms: 210 },
  { ...edge, id: 3, parent: 2, name: "POST", kind: "client", at: 5, ms: 40, failed: true, attributes: intake(503) },
  { ...orders, id: 4, parent: 3, at: 10, ms: 30, failed: true, message: "starting\u001b[2J" },
  { ...edge, id: 5, parent: 2, name: "POST", kind: "client", at: 60, ms: 90, attributes: intake(200) },
  { ...orders, id: 6, parent: 5, at: 55, ms: 80 },
  ...Array.from({ length: 8 }, (_, index) => ({
    id: 20 + index,
    parent: 6,
    service: "orders-api",
    name: "middleware - json",
    at: 70 + index,
    ms: 0.4,
  })),
  { ...edge, id: 7, parent: 2, name: "orders send", kind: "producer", at: 190, ms: 8 },
  { ...edge, id: 8, parent: 2, run: OTHER_RUN, at: 200, ms: 5, attributes: { "botanu.parent_run_id": RUN } },
  { ...consumer, id: 9, trace: 2, at: 1400, ms: 25, failed: true, links: [{ trace: 1, id: 7 }], events: [notReady] },
  { ...consumer, id: 10, trace: 3, at: 3400, ms: 60, links: [{ trace: 9, id: 7 }] },
  { id: 11, trace: 3, parent: 99, service: "notify", name: "POST /mail", kind: "server", run: RUN, at: 3410, ms: 30 },
];

export function storyData(changes: Partial<RunData["run"]> = {}): RunData {
  const run: RunData["run"] = {
    runId: RUN,
    workflow: "order",
    eventId: "ticket-42",
    customerId: "acme",
    environment: "production",
    tenantId: undefined,
    parentRunId: undefined,
    rootRunId: undefined,
    retryOfRunId: undefined,
    attempt: 1,
    outcome: "success",
    startMs: START,
    ...changes,
  };
  return { run, spans: spans(...STORY) };
}
