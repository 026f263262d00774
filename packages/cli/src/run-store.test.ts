import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { decodeJson } from "./otlp-json.ts";
import { RunStore, type RunStoreOptions } from "./run-store.ts";
import type { SpanRow } from "./span-row.ts";
import { OTHER_RUN, RUN, START, type Sketch, otlpJson, spanId, traceId } from "./span.fixture.ts";

let folder: string;
let path: string;
const open: RunStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "botanu-store-"));
  path = join(folder, "deep", "runs.db");
});
afterEach(() => {
  for (const each of open.splice(0)) each.close();
  rmSync(folder, { recursive: true, force: true });
});

function store(options: Partial<RunStoreOptions> = {}): RunStore {
  const opened = new RunStore({ path: ":memory:", now: () => START + 60_000, ...options });
  open.push(opened);
  return opened;
}

function rows(...sketches: readonly Sketch[]): SpanRow[] {
  return decodeJson(Buffer.from(JSON.stringify(otlpJson(...sketches)))).rows;
}

/** A run of its own: a UUIDv7 that goes up with the number. */
function runId(number: number): string {
  return `019a2b3c-4d5e-7f60-8a1b-${number.toString(16).padStart(12, "0")}`;
}

const order = { "botanu.workflow": "order", "botanu.customer_id": "acme" };

describe("insert", () => {
  it("stores each span once, however often it is sent", () => {
    const runs = store();
    const batch = rows({ id: 1, run: RUN }, { id: 2, parent: 1, run: RUN });
    expect(runs.insert(batch)).toMatchObject({ inserted: 2, duplicates: 0 });
    expect(runs.insert([...batch, ...rows({ id: 3 })])).toMatchObject({ inserted: 1, duplicates: 2 });
    expect(runs.stats()).toMatchObject({ spans: 3, runs: 1 });
    expect(runs.listRuns()).toMatchObject([{ carrying: 2, inherited: 1 }]);
  });

  it("stores a batch whole or not at all", () => {
    const runs = store();
    const [good, bad] = rows({ id: 1, run: RUN }, { id: 2, run: RUN });
    if (good === undefined || bad === undefined) throw new Error("two rows");
    const broken = { ...bad, name: Symbol("no text") as unknown as string };
    expect(() => runs.insert([good, broken])).toThrow();
    expect(runs.stats()).toMatchObject({ spans: 0, runs: 0 });
    expect(runs.insert([good])).toMatchObject({ inserted: 1 });
    expect(runs.getRun(RUN)?.spans).toMatchObject([{ service: "edge" }]);
  });

  it("gives back what was stored", () => {
    const runs = store();
    const sent: Sketch = {
      id: 1,
      parent: 7,
      run: RUN,
      kind: "consumer",
      at: 1.25,
      ms: 2.5,
      failed: true,
      message: "no",
      traceState: "botanu=x",
      flags: 0x301,
      attributes: { "a.b": [1, "x"], nul: "a\u0000b" },
      events: [{ name: "e", timeUnixNano: "5", attributes: { k: true } }],
      links: [{ trace: 3, id: 4 }],
      language: "nodejs",
    };
    runs.insert(rows(sent));
    const [span] = runs.getRun(RUN)?.spans ?? [];
    expect(span).toMatchObject({
      traceId: traceId(1),
      spanId: spanId(1),
      parentSpanId: spanId(7),
      runId: RUN,
      kind: 5,
      durationMs: 2.5,
      statusCode: 2,
      statusMessage: "no",
      traceState: "botanu=x",
      flags: 0x301,
      scope: "fixture",
      receivedMs: START + 60_000,
      attributes: { "botanu.run_id": RUN, "a.b": [1, "x"], nul: "a\u0000b" },
      events: [{ name: "e", timeUnixNano: "5", attributes: { k: true } }],
      links: [{ traceId: traceId(3), spanId: spanId(4), attributes: {} }],
      resource: { "service.name": "edge", "telemetry.sdk.language": "nodejs" },
    });
    expect(span?.startMs).toBeCloseTo(START + 1.25, 3);
  });

  it("stores times at the end of the range, which no clock shows", () => {
    const runs = store();
    const [row] = rows({ id: 1, run: RUN });
    if (row === undefined) throw new Error("one row");
    runs.insert([{ ...row, startNs: 1n, endNs: (1n << 63n) - 1n }]);
    expect(runs.getRun(RUN)?.spans[0]?.durationMs).toBeCloseTo(9_223_372_036_854.775, 0);
    expect(runs.listRuns()).toHaveLength(1);
  });
});

describe("the summary of a run", () => {
  const completed = (status: string): Sketch["events"] => [
    { name: "botanu.run.completed", timeUnixNano: "1", attributes: { status } },
  ];

  it("is put together from all of its spans, in any order and in any batches", () => {
    const runs = store();
    runs.insert(rows({ id: 3, parent: 2, run: RUN, at: 50, ms: 100, attributes: { "botanu.event_id": "ticket-42" } }));
    runs.insert(
      rows({ id: 2, run: RUN, at: 5, ms: 10, failed: true, attributes: order, events: completed("success") }),
    );
    runs.insert(
      rows({
        id: 4,
        run: RUN,
        at: 20,
        service: "orders",
        trace: 2,
        attributes: { "botanu.attempt": 2, "botanu.retry_of_run_id": OTHER_RUN },
      }),
    );
    expect(runs.listRuns()).toMatchObject([
      {
        runId: RUN,
        workflow: "order",
        eventId: "ticket-42",
        customerId: "acme",
        attempt: 2,
        retryOfRunId: OTHER_RUN,
        outcome: "success",
        startMs: START + 5,
        durationMs: 145,
        traces: 2,
        services: 2,
        errors: 1,
        carrying: 3,
        inherited: 0,
      },
    ]);
  });

  it.each([
    ["first", [0, 1]],
    ["last", [1, 0]],
  ])("has the outcome of the outermost run span, when that comes %s", (_title, sequence) => {
    const runs = store();
    const batches = [
      rows({ id: 1, run: RUN, at: 0, events: completed("failure") }),
      rows({ id: 2, parent: 1, run: RUN, at: 10, events: completed("success") }),
    ];
    for (const index of sequence) runs.insert(batches[index] ?? []);
    expect(runs.listRuns()[0]?.outcome).toBe("failure");
  });

  it("leaves the spans of a run nested in it to that one", () => {
    const runs = store();
    runs.insert(rows({ id: 1, run: RUN }, { id: 2, parent: 1, run: OTHER_RUN }, { id: 3, parent: 1 }));
    expect(runs.listRuns().find((run) => run.runId === RUN)).toMatchObject({ carrying: 1, inherited: 1 });
  });
});

describe("finding runs", () => {
  it("filters, and gives the newest first", () => {
    const runs = store();
    for (let index = 1; index <= 5; index += 1) {
      const attributes = { "botanu.workflow": index % 2 === 0 ? "even" : "odd", "botanu.customer_id": `c${index}` };
      runs.insert(rows({ id: index, trace: index, run: runId(index), at: index * 1000, attributes }));
    }
    const numbers = (filter: Parameters<RunStore["listRuns"]>[0]): number[] =>
      runs.listRuns(filter).map((run) => Number.parseInt(run.runId.slice(-2), 16));
    expect(numbers({})).toEqual([5, 4, 3, 2, 1]);
    expect(numbers({ limit: 2 })).toEqual([5, 4]);
    expect(numbers({ workflow: "even" })).toEqual([4, 2]);
    expect(numbers({ customer: "c3" })).toEqual([3]);
    expect(numbers({ customer: "c3", workflow: "even" })).toEqual([]);
    expect(numbers({ sinceMillis: START + 4000 })).toEqual([5, 4]);
  });

  it.each([
    ["latest", [OTHER_RUN]],
    [RUN, [RUN]],
    [RUN.toUpperCase(), [RUN]],
    ["4e5f6071", [RUN]],
    ["019a2b3c", [OTHER_RUN, RUN]],
    ["%", []],
    ["", []],
    ["nothing", []],
  ])("finds %j", (text, found) => {
    const runs = store();
    runs.insert(rows({ id: 1, run: RUN, at: 1 }, { id: 2, trace: 2, run: OTHER_RUN, at: 2 }));
    expect(runs.findRuns(text)).toEqual(found);
  });

  it("knows nothing of what it does not hold", () => {
    expect(store().getRun(RUN)).toBeUndefined();
    expect(store().findRuns("latest")).toEqual([]);
  });
});

describe("coverage", () => {
  it("looks at everything, at what is new, or at one run with what links to it", () => {
    let now = START;
    const runs = store({ now: () => now });
    runs.insert(rows({ id: 1, run: RUN }, { id: 2, parent: 1, service: "orders" }));
    now = START + 60_000;
    runs.insert(
      rows({ id: 3, trace: 2, service: "mail", links: [{ trace: 1, id: 1 }] }, { id: 4, trace: 3, service: "cron" }),
    );
    expect(runs.coverage()).toMatchObject({ carries: 1, inherited: 1, missing: 2 });
    expect(runs.coverage({ sinceMillis: START + 1 })).toMatchObject({ carries: 0, missing: 2 });
    const one = runs.coverage({ runId: RUN });
    expect(one).toMatchObject({ carries: 1, inherited: 1, missing: 1 });
    expect(one.findings.map((finding) => finding.rule).toSorted()).toEqual(["linked-trace", "not-stamped"]);
    expect(runs.coverage({ runId: OTHER_RUN })).toMatchObject({ percent: undefined });
  });

  it("knows from other runs that a service does write run ids", () => {
    const runs = store();
    runs.insert(
      rows(
        { id: 1, run: RUN },
        { id: 2, parent: 1, service: "orders" },
        { id: 3, trace: 2, service: "orders", run: OTHER_RUN },
      ),
    );
    expect(runs.coverage({ runId: RUN }).findings).toMatchObject([{ rule: "dropped" }]);
  });
});

describe("tail", () => {
  it("goes on from where it was, and knows the run of a trace", () => {
    const runs = store();
    runs.insert(rows({ id: 1, run: RUN, attributes: order }, { id: 2, parent: 1 }));
    const [first, second] = runs.tail(0);
    expect(first).toMatchObject({ workflow: "order", customerId: "acme", inheritedRunId: undefined });
    expect(second).toMatchObject({ workflow: "order", inheritedRunId: RUN });
    expect(runs.tail(runs.stats().lastId)).toEqual([]);
    runs.insert(rows({ id: 3, trace: 2 }));
    expect(runs.tail(second?.span.id ?? 0)).toMatchObject([{ workflow: undefined, inheritedRunId: undefined }]);
  });
});

describe("the bounds", () => {
  const fill = (runs: RunStore, from: number, to: number): void => {
    for (let index = from; index <= to; index += 1) {
      const attributes = { blob: `${index}-`.padEnd(2000, "x") };
      runs.insert(
        rows(...[1, 2, 3, 4].map((part) => ({ id: index * 10 + part, trace: index, run: runId(index), attributes }))),
      );
    }
  };

  it("of rows hold, whole runs go, and they are counted", () => {
    const runs = store({ limits: { maxSpans: 40 } });
    fill(runs, 1, 30);
    const { spans, runs: kept, prunedRuns, prunedSpans } = runs.stats();
    expect(spans).toBeLessThanOrEqual(40);
    expect(spans).toBe(kept * 4);
    expect(prunedRuns).toBe(30 - kept);
    expect(prunedSpans).toBe(120 - spans);
    expect(runs.listRuns({ limit: 1 })[0]?.runId).toBe(runId(30));
    expect(runs.getRun(runId(1))).toBeUndefined();
  });

  it("of bytes hold", () => {
    const runs = store({ path, limits: { maxBytes: 1 << 20 } });
    fill(runs, 1, 200);
    const database = new DatabaseSync(path);
    const number = (pragma: string): number =>
      Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
    expect((number("page_count") - number("freelist_count")) * number("page_size")).toBeLessThanOrEqual(1 << 20);
    database.close();
    expect(runs.stats().runs).toBeGreaterThan(20);
    expect(runs.stats().prunedRuns).toBe(200 - runs.stats().runs);
  });

  it("spare a run that is still at it, however long ago it began", () => {
    const runs = store({ limits: { maxSpans: 40 } });
    fill(runs, 1, 9);
    for (let index = 10; index <= 30; index += 1) {
      fill(runs, index, index);
      runs.insert(rows({ id: 5000 + index, trace: 1, run: runId(1) }));
    }
    expect(runs.getRun(runId(1))).toBeDefined();
    expect(runs.getRun(runId(2))).toBeUndefined();
  });

  it("take spans without a run too, and what resources they leave behind", () => {
    const runs = store({ path, limits: { maxSpans: 20 } });
    for (let index = 1; index <= 60; index += 1)
      runs.insert(rows({ id: index, trace: index, service: `service-${index}` }));
    expect(runs.stats().spans).toBeLessThanOrEqual(20);
    const database = new DatabaseSync(path);
    expect(Number(database.prepare("SELECT count(*) AS n FROM resources").get()?.["n"])).toBeLessThanOrEqual(20);
    expect(Number(database.prepare("SELECT count(*) AS n FROM traces").get()?.["n"])).toBeLessThanOrEqual(20);
    database.close();
    runs.insert(rows({ id: 99, trace: 99, run: RUN, service: "service-1" }));
    expect(runs.getRun(RUN)?.spans[0]?.service).toBe("service-1");
  });

  it("leave to a nested run what it shares a trace with", () => {
    const runs = store({ limits: { maxSpans: 20 } });
    runs.insert(
      rows({ id: 1, run: RUN }, { id: 2, run: RUN }, { id: 3, parent: 1 }, { id: 4, parent: 1, run: OTHER_RUN }),
    );
    for (let id = 11; id <= 27; id += 1) runs.insert(rows({ id, parent: 4, run: OTHER_RUN }));
    expect(runs.getRun(RUN)).toBeUndefined();
    expect(runs.getRun(OTHER_RUN)?.spans).toHaveLength(19);
    expect(runs.stats()).toMatchObject({ prunedRuns: 1, prunedSpans: 2 });
  });

  it("go down to nothing rather than be passed", () => {
    const runs = store({ limits: { maxSpans: 1 } });
    runs.insert(rows({ id: 1, run: RUN }, { id: 2, run: RUN }));
    expect(runs.stats()).toMatchObject({ spans: 0, runs: 0, prunedRuns: 1, prunedSpans: 2 });
    expect(runs.prune()).toEqual({ prunedRuns: 0, prunedSpans: 0 });
  });
});

describe("the file", () => {
  it("is for its user only, and is read while it is written and after", () => {
    const writer = store({ path });
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
    const reader = store({ path, readOnly: true });
    writer.insert(rows({ id: 1, run: RUN }));
    expect(reader.getRun(RUN)?.spans).toHaveLength(1);
    expect(() => reader.insert([])).toThrow("opened for reading");
    writer.close();
    expect(store({ path, readOnly: true }).listRuns()).toHaveLength(1);
  });

  it("is found again as it was left", () => {
    const first = store({ path });
    first.insert(rows({ id: 1, run: RUN }));
    first.close();
    const second = store({ path, limits: { maxSpans: 2 } });
    second.insert(rows({ id: 1, run: RUN }, { id: 2, trace: 2, run: OTHER_RUN }));
    second.insert(rows({ id: 3, trace: 3, run: OTHER_RUN }));
    expect(second.stats()).toMatchObject({ prunedRuns: 2 });
  });

  it.each([
    ["is not there", () => undefined, "no store at"],
    [
      "is something else",
      () => writeFileSync(path, "not a database at all, and longer than a header of a hundred bytes".repeat(4)),
      "is not a botanu store",
    ],
    ["has another layout", () => new DatabaseSync(path).exec("PRAGMA user_version = 99"), "has the layout 99"],
    ["is empty", () => writeFileSync(path, ""), "has the layout 0"],
  ])("that %s is refused with a reason", (_title, make, message) => {
    path = join(folder, "other.db");
    make();
    expect(() => store({ path, readOnly: true })).toThrow(message);
  });

  it("of another layout is not written to either", () => {
    path = join(folder, "other.db");
    new DatabaseSync(path).exec("PRAGMA user_version = 99");
    expect(() => store({ path })).toThrow("has the layout 99");
  });
});
