import { describe, expect, it } from "vitest";

import { runTree, type RunTree, type TreeNode } from "./run-tree.ts";
import { OTHER_RUN, RUN, START, type Sketch, spanId, spans } from "./span.fixture.ts";
import type { RunRecord } from "./store-reader.ts";

const record: RunRecord = {
  runId: RUN,
  workflow: "order",
  eventId: undefined,
  customerId: undefined,
  environment: undefined,
  tenantId: undefined,
  parentRunId: undefined,
  rootRunId: undefined,
  retryOfRunId: undefined,
  attempt: 1,
  outcome: "success",
  startMs: START,
};

function tree(...sketches: readonly Sketch[]): RunTree {
  return runTree({ run: record, spans: spans(...sketches) });
}

/** The shape of a tree: the numbers of its spans, with what is below in brackets. */
function shape(nodes: readonly TreeNode[]): unknown[] {
  return nodes.map((node) => {
    const name = node.type === "span" ? Number.parseInt(node.span.spanId.slice(1), 16) : node.type;
    return node.children.length === 0 ? name : [name, ...shape(node.children)];
  });
}

const failedCall = (id: number, at: number, changes: Partial<Sketch> = {}): Sketch => ({
  id,
  parent: 1,
  kind: "client",
  run: RUN,
  at,
  failed: true,
  attributes: { "http.request.method": "POST", "url.full": "http://orders:8080/intake" },
  ...changes,
});

describe("the tree", () => {
  it("goes over all traces, by start", () => {
    const result = tree(
      { id: 4, trace: 2, run: RUN, at: 50 },
      { id: 1, run: RUN, at: 0, ms: 40 },
      { id: 3, parent: 1, run: RUN, at: 20 },
      { id: 2, parent: 1, run: RUN, at: 10 },
    );
    expect(shape(result.roots)).toEqual([[1, 2, 3], 4]);
    expect(result).toMatchObject({ traces: 2, durationMs: 51, activeMs: 41, carrying: 4, inherited: 0, orphans: 0 });
  });

  it("marks what is inherited, what failed and what has no parent", () => {
    const result = tree({ id: 1, run: RUN }, { id: 2, parent: 1 }, { id: 3, parent: 77, failed: true });
    const marks = result.roots.flatMap((node) => [node, ...node.children]);
    expect(marks).toMatchObject([
      { carries: true, orphan: false, failed: false },
      { carries: false, orphan: false, failed: false },
      { carries: false, orphan: true, failed: true },
    ]);
    expect(result).toMatchObject({ carrying: 1, inherited: 2, failed: 1, orphans: 1 });
  });

  it("says by how much a clock is off, and moves nothing", () => {
    const result = tree({ id: 1, run: RUN, at: 100 }, { id: 2, parent: 1, run: RUN, at: 60 });
    expect(result.roots[0]?.children[0]).toMatchObject({ skewMs: 40 });
    expect(result.startMs).toBe(START + 60);
  });

  it("has one lane per service, in the order of their first spans", () => {
    const result = tree(
      { id: 2, service: "b", run: RUN, at: 5, ms: 5 },
      { id: 1, service: "a", run: RUN, at: 0, ms: 1 },
      { id: 3, service: "b", at: 7, ms: 9 },
    );
    expect(result.lanes).toMatchObject([
      { service: "a", spans: 1, carrying: 1 },
      { service: "b", spans: 2, carrying: 1, busy: [{ start: START + 5, end: START + 16 }] },
    ]);
  });

  it("finds long gaps", () => {
    expect(tree({ id: 1, run: RUN, at: 0 }, { id: 2, trace: 2, run: RUN, at: 1000 }).gaps).toEqual([
      { start: START + 1, end: START + 1000 },
    ]);
  });

  it("holds spans whose parents go in a circle", () => {
    expect(shape(tree({ id: 1, parent: 2, run: RUN }, { id: 2, parent: 1, run: RUN }).roots)).toEqual([[1, 2]]);
  });

  it("holds a chain of fifty thousand spans", () => {
    const chain = Array.from({ length: 50_000 }, (_, index) => ({
      id: index + 1,
      run: RUN,
      ...(index === 0 ? {} : { parent: index }),
    }));
    const result = tree(...chain);
    expect(result.carrying).toBe(50_000);
    expect(JSON.stringify(shape(result.roots)).length).toBeGreaterThan(200_000);
  });
});

describe("nested runs", () => {
  const nested: readonly Sketch[] = [
    { id: 1, run: RUN },
    { id: 2, parent: 1, run: OTHER_RUN },
    { id: 3, parent: 2, run: OTHER_RUN },
    { id: 4, parent: 3, run: RUN },
    { id: 5, parent: 1 },
  ];

  it("are one node in the run around them, with what comes back below", () => {
    const result = tree(...nested);
    expect(shape(result.roots)).toEqual([[1, ["nested", 4], 5]]);
    expect(result.roots[0]?.children[0]).toMatchObject({ runId: OTHER_RUN, spans: 2 });
    expect(result).toMatchObject({ carrying: 2, inherited: 1 });
  });

  it("say on their own which run is around them", () => {
    const result = runTree({ run: { ...record, runId: OTHER_RUN }, spans: spans(...nested) });
    expect(shape(result.roots)).toEqual([[2, [3, "nested"]]]);
    expect(result.roots[0]).toMatchObject({ insideRunId: RUN, orphan: false });
  });
});

describe("attempts", () => {
  it("are calls of one parent to one target of which the earlier ones failed", () => {
    const result = tree(
      { id: 1, run: RUN, at: 0, ms: 90 },
      failedCall(2, 10),
      failedCall(3, 20),
      failedCall(4, 30, { failed: false }),
    );
    expect(shape(result.roots)).toEqual([[1, ["attempts", 2, 3, 4]]]);
    expect(result.attempts).toMatchObject([{ rule: "siblings" }]);
    const [group] = result.roots[0]?.children ?? [];
    expect(group?.children).toMatchObject([
      { attempt: { ordinal: 1, of: 3 } },
      { attempt: { ordinal: 2 } },
      { attempt: { ordinal: 3 } },
    ]);
  });

  it("count an answer of 503 as a failure, whatever the span's status", () => {
    const status = {
      "http.request.method": "POST",
      "url.full": "http://orders:8080/intake",
      "http.response.status_code": 503,
    };
    const result = tree(
      { id: 1, run: RUN, ms: 90 },
      failedCall(2, 10, { failed: false, attributes: status }),
      failedCall(3, 20),
    );
    expect(shape(result.roots)).toEqual([[1, ["attempts", 2, 3]]]);
  });

  it.each<[string, readonly Sketch[]]>([
    ["none failed", [failedCall(2, 10, { failed: false }), failedCall(3, 20, { failed: false })]],
    ["they run side by side", [failedCall(2, 10, { ms: 50 }), failedCall(3, 20)]],
    [
      "they go to different targets",
      [failedCall(2, 10), failedCall(3, 20, { attributes: { "http.request.method": "GET" } })],
    ],
    ["they have different parents", [failedCall(2, 10), failedCall(3, 20, { parent: 2 })]],
    ["they are no calls", [failedCall(2, 10, { kind: "internal" }), failedCall(3, 20, { kind: "internal" })]],
  ])("are none where %s", (_title, calls) => {
    expect(tree({ id: 1, run: RUN, ms: 90 }, ...calls).attempts).toEqual([]);
  });

  it("begin anew after one that went through", () => {
    const ok = { failed: false } as const;
    const result = tree(
      { id: 1, run: RUN, ms: 90 },
      failedCall(2, 10),
      failedCall(3, 20, ok),
      failedCall(4, 30),
      failedCall(5, 40, ok),
    );
    expect(shape(result.roots)).toEqual([[1, ["attempts", 2, 3], ["attempts", 4, 5]]]);
  });

  it("are what numbers itself, even if nothing failed", () => {
    const numbered = (id: number, count: number): Sketch =>
      failedCall(id, id * 10, {
        failed: false,
        attributes: { "http.request.method": "POST", "url.full": "http://o/i", "http.request.resend_count": count },
      });
    const result = tree({ id: 1, run: RUN, ms: 90 }, numbered(2, 0), numbered(3, 1));
    expect(result.attempts).toMatchObject([{ rule: "attribute" }]);
  });

  const delivery = (id: number, trace: number, changes: Partial<Sketch> = {}): Sketch => ({
    id,
    trace,
    service: "consumer",
    kind: "consumer",
    run: RUN,
    at: id * 10,
    attributes: { "messaging.message.id": "m-1", "messaging.destination.name": "orders" },
    ...changes,
  });

  it("are deliveries of one message, each in its own trace", () => {
    const result = tree({ id: 1, run: RUN }, delivery(2, 2, { failed: true }), delivery(3, 3));
    expect(shape(result.roots)).toEqual([1, ["attempts", 2, 3]]);
    expect(result.attempts).toMatchObject([{ rule: "message" }]);
  });

  it("are numbered where they stand when they have different parents", () => {
    const result = tree(
      { id: 1, run: RUN },
      { id: 5, run: RUN },
      delivery(2, 1, { parent: 1 }),
      delivery(3, 1, { parent: 5 }),
    );
    expect(shape(result.roots)).toEqual([
      [1, 2],
      [5, 3],
    ]);
    expect(result.roots[1]?.children[0]).toMatchObject({ attempt: { ordinal: 2, of: 2, rule: "message" } });
  });

  it.each<[string, readonly Sketch[]]>([
    ["receiving and processing of one delivery", [delivery(2, 2, { ms: 50 }), delivery(3, 2, { parent: 2 })]],
    ["deliveries to two services", [delivery(2, 2), delivery(3, 3, { service: "audit" })]],
    ["deliveries of two messages", [delivery(2, 2), delivery(3, 3, { attributes: { "messaging.message.id": "m-2" } })]],
  ])("are not %s", (_title, deliveries) => {
    expect(tree({ id: 1, run: RUN }, ...deliveries).attempts).toEqual([]);
  });
});

describe("model tokens", () => {
  const usage = { "gen_ai.usage.input_tokens": 57, "gen_ai.usage.output_tokens": 9 };

  it("are counted once where two instrumentations record one call", () => {
    const result = tree(
      { id: 1, run: RUN },
      { id: 2, parent: 1, run: RUN, attributes: usage },
      { id: 3, parent: 2, run: RUN },
      { id: 4, parent: 3, run: RUN, attributes: usage },
      { id: 5, parent: 1, run: RUN, attributes: usage },
    );
    expect(result.tokens).toEqual({ input: 114, output: 18 });
  });
});

it("names the parent of an orphan", () => {
  const [root] = tree({ id: 1, parent: 9, run: RUN }).roots;
  expect(root?.type === "span" && root.span.parentSpanId).toBe(spanId(9));
});
