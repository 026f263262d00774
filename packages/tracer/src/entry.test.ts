import {
  createRun,
  extract,
  getForeignBaggage,
  getRun,
  ROOT_CONTEXT,
  type RunContext,
  setRun,
  warnOnce,
} from "@botanu/core";
import { describe, expect, it, vi } from "vitest";
import { completed, exceptions, fail, recordEachTest } from "../test/recording.ts";
import { checkEntryOptions, type Entry, type EntryOptions, type EntryStart, startEntry } from "./entry.ts";
import { contextOf, entryOf, rememberEntry } from "./http-entry.ts";
import { getSpan } from "./span.ts";
import { activeTracer } from "./tracer.ts";
import { type ReadableSpan, SpanKind, type SpanStatus } from "./types.ts";

const recording = recordEachTest();

const RUN = "0192f0c1-2345-7abc-8def-0123456789ab";
const CARRIER = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: `botanu=${RUN},vendor=1`,
  baggage: `botanu.run_id=${RUN},botanu.workflow=intake,botanu.customer_id=acme,team=blue`,
};
const SERVER: EntryStart = { name: "take", kind: SpanKind.SERVER };

function start(
  options: EntryOptions<string>,
  carrier: Record<string, string> = {},
  more: Partial<EntryStart> = {},
): Entry {
  const entry = startEntry(recording.tracer, undefined, carrier, "source", options, { ...SERVER, ...more });
  if (entry instanceof Promise) throw new Error("not at once");
  return entry;
}

const named = (name: string): ReadableSpan => {
  const found = recording.spans.find((span) => span.name === name);
  if (!found) throw new Error(`no ${name} in ${recording.spans.map((span) => span.name).join()}`);
  return found;
};

describe("the run of an entry", () => {
  const trusting = { trust: true };
  it.each<[string, EntryOptions<string>, Record<string, string>, Partial<RunContext> | undefined, string[]]>([
    [
      "starts where a workflow is named",
      { workflow: "orders" },
      {},
      { workflow: "orders", parentRunId: undefined },
      ["botanu.run/orders", "take"],
    ],
    [
      "is not the caller's by default at an entry point",
      { workflow: "orders" },
      CARRIER,
      { workflow: "orders", parentRunId: undefined },
      ["botanu.run/orders", "take"],
    ],
    [
      "is a trusted caller's, workflow and ids included",
      { workflow: "orders", customerId: () => "other", ...trusting },
      CARRIER,
      { runId: RUN, workflow: "intake", customerId: "acme" },
      ["botanu.run/intake", "take"],
    ],
    [
      "is nested in a trusted caller's where that is asked for",
      { workflow: "orders", newRun: true, ...trusting },
      CARRIER,
      { workflow: "orders", parentRunId: RUN, customerId: "acme" },
      ["botanu.run/orders", "take"],
    ],
    [
      "starts where a trusted caller has none",
      { workflow: "orders", newRun: true, ...trusting },
      {},
      { workflow: "orders", parentRunId: undefined },
      ["botanu.run/orders", "take"],
    ],
    ["is the caller's at a hop", {}, CARRIER, { runId: RUN, workflow: "intake" }, ["take"]],
    ["is nobody's at a hop without one", {}, {}, undefined, ["take"]],
    ["is nobody's at a hop that trusts nobody", { trust: false }, CARRIER, undefined, ["take"]],
    ["is not the caller's where the rule throws", { trust: () => fail("no") }, CARRIER, undefined, ["take"]],
    [
      "is not the caller's where the rule has no clear yes",
      { trust: (() => "yes") as never },
      CARRIER,
      undefined,
      ["take"],
    ],
    [
      "is nobody's where reading the workflow gives nothing",
      { workflow: () => undefined },
      CARRIER,
      undefined,
      ["take"],
    ],
    ["is nobody's where reading the workflow throws", { workflow: () => fail("no") }, CARRIER, undefined, ["take"]],
    ["is nobody's where the workflow that was read is none", { workflow: () => "a\u0000b" }, {}, undefined, ["take"]],
  ])("%s", (_, options, carrier, expected, names) => {
    const entry = start(options, carrier);
    entry.end();
    if (expected) expect(entry.run).toMatchObject(expected);
    else expect(entry.run).toBeUndefined();
    if (expected && !expected.runId) expect(entry.run?.runId).not.toBe(RUN);
    expect(getRun(entry.context)).toBe(entry.run);
    expect(recording.spans.map(({ name }) => name)).toEqual(names);
    for (const span of recording.spans) expect(span.attributes["botanu.run_id"]).toBe(entry.run?.runId);
  });

  it("takes what it belongs to from the source, numbers too", () => {
    const { run } = start({
      workflow: "orders",
      eventId: (source) => `${source}-1`,
      customerId: () => 42 as never,
      tenantId: () => undefined,
      deadline: () => 1_900_000_000_000.7,
      environment: "staging",
    });
    expect(run).toMatchObject({
      eventId: "source-1",
      customerId: "42",
      tenantId: undefined,
      deadline: 1_900_000_000_000,
      environment: "staging",
    });
    expect(recording.warnings).toEqual([]);
  });

  it.each<[string, unknown]>([
    ["NaN", Number.NaN],
    ["the past before time", -5],
    ["a text", "2030-01-01"],
    ["beyond all dates", 1e18],
  ])("has no deadline of %s", (_, deadline) => {
    expect(start({ workflow: "orders", deadline: () => deadline as number }).run?.deadline).toBeUndefined();
  });

  it("has the environment of the tracer's resource, and of its parent when it is nested", () => {
    recording.tracer = recording.withOptions({ resource: { "deployment.environment.name": "production" } });
    expect(start({ workflow: "orders" }).run?.environment).toBe("production");
    const baggage = `${CARRIER.baggage},botanu.environment=staging`;
    expect(start({ workflow: "orders", trust: true, newRun: true }, { baggage }).run?.environment).toBe("staging");
  });

  it("says at most once what could not be read, without the words of the error", () => {
    for (let time = 0; time < 3; time++) start({ workflow: "orders", eventId: () => fail(new TypeError("secret")) });
    expect(recording.warnings).toEqual(["eventId left out: TypeError"]);
  });

  it("waits for values that come later, and starts the span when the work came", async () => {
    vi.useFakeTimers({ now: 1_790_000_000_000 });
    try {
      const entry = startEntry(
        recording.tracer,
        undefined,
        {},
        "source",
        {
          workflow: "orders",
          eventId: () => new Promise((resolve) => setTimeout(() => resolve("e7"), 40)),
          customerId: () => Promise.reject(new Error("no")),
        },
        SERVER,
      );
      await vi.advanceTimersByTimeAsync(40);
      const opened = await entry;
      opened.end();
      expect(opened.run).toMatchObject({ eventId: "e7", customerId: undefined });
      expect(named("take").startTime).toEqual([1_790_000_000, 0]);
      expect(recording.warnings).toEqual(["customerId left out: Error"]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("what an untrusted caller said", () => {
  it("is kept on the entry span alone, and its trace goes on", () => {
    const entry = start({ workflow: "orders" }, CARRIER);
    entry.end();
    expect(named("take").attributes["botanu.untrusted.run_id"]).toBe(RUN);
    expect(named("take").parentSpanContext).toMatchObject({ spanId: "b7ad6b7169203331", isRemote: true });
    expect(named("botanu.run/orders").attributes).not.toHaveProperty("botanu.untrusted.run_id");
    expect(entry.span.spanContext().traceState?.serialize()).toBe("vendor=1");
    expect(getForeignBaggage(entry.context)).toEqual(["team=blue"]);
  });

  it("is not believed because a host believed it before", () => {
    const context = setRun(ROOT_CONTEXT, extract(CARRIER, { trust: true }).run as RunContext);
    const span = recording.tracer.startSpan("host", {}, context);
    expect(span).toMatchObject({ attributes: { "botanu.run_id": RUN, "botanu.customer_id": "acme" } });
    const entry = start({ workflow: "orders" }, CARRIER, { context, span });
    expect(entry.run?.runId).not.toBe(RUN);
    expect(span).toMatchObject({ attributes: { "botanu.run_id": entry.run?.runId, "botanu.untrusted.run_id": RUN } });
    expect(span).not.toHaveProperty(["attributes", "botanu.customer_id"]);
    expect(getRun(start({ trust: false }, CARRIER, { context, span }).context)).toBeUndefined();
  });
});

describe("an entry below a span that is there", () => {
  it("makes no second one, leaves it open and keeps what is active", () => {
    const server = recording.tracer.startSpan("host");
    const middleware = recording.tracer.startSpan("middleware");
    const context = recording.tracer.contextWith(ROOT_CONTEXT, middleware);
    const entry = start({ workflow: "orders" }, CARRIER, { context, span: server });
    entry.end();
    expect(recording.spans.map(({ name }) => name)).toEqual(["botanu.run/orders"]);
    expect(server.isRecording()).toBe(true);
    for (const span of [server, middleware])
      expect(span).toMatchObject({ attributes: { "botanu.run_id": entry.run?.runId } });
    expect(named("botanu.run/orders").parentSpanContext?.spanId).toBe(middleware.spanContext().spanId);
  });

  it("joins the run that goes on there, without a second run span", () => {
    const outer = start({ workflow: "orders" });
    const inner = start({ workflow: "orders" }, {}, { context: outer.context, span: outer.span });
    inner.end();
    outer.end();
    expect(inner.run).toBe(outer.run);
    expect(recording.spans.map(({ name }) => name)).toEqual(["botanu.run/orders", "take"]);
  });

  it("nests in the run that goes on there where that is asked for", () => {
    const outer = start({ workflow: "orders" });
    const inner = start({ workflow: "pay", newRun: true }, {}, { context: outer.context, span: outer.span });
    inner.end();
    outer.end();
    expect(inner.run).toMatchObject({ workflow: "pay", parentRunId: outer.run?.runId });
    expect(named("botanu.run/orders").attributes["botanu.workflow"]).toBe("orders");
  });
});

describe("the end of an entry", () => {
  const error = new TypeError("no stock");
  it.each<[string, Parameters<Entry["end"]>[0], SpanStatus, SpanStatus, string, string[]]>([
    ["well", undefined, { code: 0 }, { code: 0 }, "success", []],
    [
      "with an error",
      { error },
      { code: 2, message: "no stock" },
      { code: 2, message: "no stock" },
      "failure",
      ["botanu.run/orders"],
    ],
    ["as a failure", { status: "failure" }, { code: 2 }, { code: 2 }, "failure", []],
    [
      "as a success in spite of an error",
      { error, status: "success" },
      { code: 0 },
      { code: 0 },
      "success",
      ["botanu.run/orders"],
    ],
    ["as canceled", { status: "canceled" }, { code: 0 }, { code: 0 }, "canceled", []],
  ])("%s is on the run span and on the span of the work", (_, end, server, run, status, thrown) => {
    const entry = start({ workflow: "orders" });
    entry.end(end);
    entry.end({ error: new Error("too late") });
    expect(named("take").status).toEqual(server);
    expect(named("botanu.run/orders").status).toEqual(run);
    expect(completed(named("botanu.run/orders"))["status"]).toBe(status);
    expect(exceptions(recording.spans)).toEqual(thrown);
    expect(recording.spans).toHaveLength(2);
  });

  it("records an error on the span of the work where there is no run", () => {
    start({}).end({ error });
    expect(exceptions(recording.spans)).toEqual(["take"]);
  });
});

describe("the context of an entry", () => {
  it("has the innermost span, the run, and the tracer", () => {
    const entry = start({ workflow: "orders" });
    expect(getSpan(entry.context)).not.toBe(entry.span);
    expect(activeTracer(entry.context)).toBe(recording.tracer);
    expect(getSpan(start({}).context)?.spanContext().traceId).toMatch(/^[\da-f]{32}$/);
  });

  it("is the invocation's where there is one", () => {
    const invocation = recording.tracer.startInvocation();
    const entry = startEntry(
      recording.tracer,
      invocation,
      () => ({ run: createRun({ workflow: "intake" }) }),
      1,
      {},
      SERVER,
    ) as Entry;
    expect(entry.run?.workflow).toBe("intake");
  });

  it("is found by what came in, and by nothing else", () => {
    const source = {};
    const entry = start({});
    rememberEntry(source, entry);
    expect(entryOf(source)).toBe(entry);
    expect(contextOf(source)).toBe(entry.context);
    expect(contextOf({})).toBeUndefined();
  });
});

describe("checkEntryOptions", () => {
  it.each<[string, unknown]>([
    ["an empty workflow", { workflow: "" }],
    ["a blank workflow", { workflow: " \t" }],
    ["a workflow that is no name", { workflow: {} }],
    ["trust that is a text", { trust: "true" }],
    ["trust that is null", { trust: null }],
    ["an event instead of its reader", { eventId: "e" }],
    ["a deadline instead of its reader", { deadline: 5 }],
    ["a host rule that is none", { propagateTo: [{}] }],
  ])("refuses %s", (_, options) => {
    expect(() => checkEntryOptions(options as EntryOptions<string>)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });

  it("takes what can be meant", () => {
    warnOnce("unrelated", "kept apart");
    const options = {
      workflow: () => undefined,
      trust: false,
      eventId: async () => "e",
      propagateTo: ["*.example"],
      traceTo: /x/,
    };
    expect(() => checkEntryOptions(options)).not.toThrow();
    expect(() => checkEntryOptions({})).not.toThrow();
  });
});
