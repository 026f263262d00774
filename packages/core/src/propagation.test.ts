import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setDiag } from "./diag.ts";
import { extract, inject } from "./propagation.ts";
import type { RunContext } from "./run.ts";
import { createTraceState } from "./w3c/tracestate.ts";

const RUN = "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const CARRIER = {
  traceparent: `00-${TRACE}-${SPAN}-03`,
  tracestate: `botanu=${RUN},other=1`,
  baggage: `team=web;p,botanu.run_id=${RUN},botanu.workflow=order,botanu.unknown=x,user=7`,
};

let warnings: string[];
beforeEach(() => {
  warnings = [];
  setDiag({ warn: (message) => warnings.push(message), error: (message) => warnings.push(message) });
});
afterEach(() => setDiag());

/** A run as it is when only these are set. */
function runOf(fields: Partial<RunContext> = {}): RunContext {
  return {
    runId: RUN,
    workflow: "order",
    environment: "test",
    rootRunId: RUN,
    attempt: 1,
    cancelled: false,
    ...fields,
  };
}

describe("what a trusted caller sends", () => {
  it("is its run, its trace and the baggage of others", () => {
    const { spanContext, run, baggage, untrustedRunId } = extract(CARRIER, { trust: true });
    expect(spanContext).toMatchObject({ traceId: TRACE, spanId: SPAN, traceFlags: 3, isRemote: true });
    expect(spanContext?.traceState?.serialize()).toBe(CARRIER.tracestate);
    expect(run).toMatchObject({ runId: RUN, workflow: "order", environment: "unknown", attempt: 1, rootRunId: RUN });
    expect(baggage).toEqual(["team=web;p", "user=7"]);
    expect(untrustedRunId).toBeUndefined();
  });

  it("may be in headers of its own, where baggage lacks it", () => {
    const headers = { "x-botanu-run-id": RUN, "x-botanu-workflow": "theirs", "x-botanu-customer-id": "acme" };
    expect(extract({ baggage: "botanu.workflow=order", ...headers }, { trust: true }).run).toMatchObject({
      runId: RUN,
      workflow: "order",
      customerId: "acme",
    });
  });

  it("has a space where Python wrote a plus sign, and a plus sign where it is encoded", () => {
    const baggage = `botanu.run_id=${RUN},botanu.workflow=my+order%2B1,botanu.event_id=a%20b`;
    expect(extract({ baggage }, { trust: true }).run).toMatchObject({ workflow: "my order+1", eventId: "a b" });
  });

  it.each([
    ["no workflow", `botanu.run_id=${RUN}`],
    ["no run id", "botanu.workflow=order"],
    ["a run id that is none", "botanu.run_id=1,botanu.workflow=order"],
    ["a workflow with a control", `botanu.run_id=${RUN},botanu.workflow=a%00b`],
  ])("is no run with %s", (_title, baggage) => {
    expect(extract({ baggage }, { trust: true }).run).toBeUndefined();
  });
});

describe("what a caller sends that is not trusted", () => {
  it("is its trace and the baggage of others, and its run id apart", () => {
    const { spanContext, run, baggage, untrustedRunId } = extract(CARRIER);
    expect(spanContext?.traceState?.serialize()).toBe("other=1");
    expect([run, baggage, untrustedRunId]).toEqual([undefined, ["team=web;p", "user=7"], RUN]);
  });

  it("has no trace state where ours was the only member", () => {
    const { spanContext } = extract({ ...CARRIER, tracestate: `botanu=${RUN}` });
    expect(spanContext).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags: 3, isRemote: true });
  });

  it("is not read from headers of its own", () => {
    expect(extract({ "x-botanu-run-id": RUN, "x-botanu-workflow": "order" })).toEqual({
      spanContext: undefined,
      baggage: [],
      untrustedRunId: undefined,
    });
  });
});

describe("reading", () => {
  it("leaves a trace state without its traceparent", () => {
    expect(extract({ tracestate: "a=1" }).spanContext).toBeUndefined();
  });

  it("asks a getter, and survives one that throws", () => {
    const seen: string[] = [];
    const getter = (_carrier: unknown, key: string): unknown => {
      seen.push(key);
      if (key === "baggage") throw new Error("no");
      return key === "traceparent" ? CARRIER.traceparent : undefined;
    };
    expect(extract({}, { getter }).spanContext?.traceId).toBe(TRACE);
    expect(seen).toEqual(expect.arrayContaining(["baggage", "traceparent", "tracestate"]));
  });
});

describe("what is sent", () => {
  const spanContext = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };

  it("has the run first, in the order of its keys, and the members of others as they came", () => {
    const carrier: Record<string, string> = {};
    const run = runOf({
      eventId: "e ä",
      customerId: "acme",
      tenantId: "t",
      parentRunId: RUN,
      rootRunId: RUN.replace("019a", "019b"),
      attempt: 2,
      retryOfRunId: RUN,
      deadline: 1_900_000_000_000,
      cancelled: true,
      step: "pay",
    });
    inject({ spanContext, run, baggage: ["team=web;p"] }, carrier);
    expect(carrier["baggage"]).toBe(
      `botanu.run_id=${RUN},botanu.workflow=order,botanu.event_id=e%20%C3%A4,botanu.customer_id=acme,botanu.environment=test,` +
        `botanu.tenant_id=t,botanu.parent_run_id=${RUN},botanu.root_run_id=${RUN.replace("019a", "019b")},botanu.attempt=2,` +
        `botanu.retry_of_run_id=${RUN},botanu.deadline=1900000000000,botanu.cancelled=true,botanu.step=pay,team=web;p`,
    );
    expect(extract(carrier, { trust: true }).run).toEqual(run);
  });

  it("puts the run left-most in the trace state", () => {
    const carrier: Record<string, string> = {};
    inject({ spanContext: { ...spanContext, traceState: createTraceState("a=1") }, run: runOf() }, carrier);
    expect([carrier["traceparent"], carrier["tracestate"]]).toEqual([`00-${TRACE}-${SPAN}-01`, `botanu=${RUN},a=1`]);
  });

  it("is nothing without anything to send", () => {
    const carrier = {};
    inject({}, carrier);
    inject({ spanContext: { ...spanContext, traceId: "0".repeat(32) }, baggage: [] }, carrier);
    expect(carrier).toEqual({});
  });

  it.each([
    ["neither", { baggage: false, trace: false }, {}],
    ["the trace alone", { baggage: false, trace: true }, { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "a=1" }],
    ["the run alone", { baggage: true, trace: false }, { baggage: expect.stringMatching(/^botanu.*,team=web$/) }],
  ])("is %s where only that may go", (_title, allow, expected) => {
    const carrier = {};
    const traceState = createTraceState(`botanu=${RUN},a=1`);
    inject({ spanContext: { ...spanContext, traceState }, run: runOf(), baggage: ["team=web"] }, carrier, { allow });
    expect(carrier).toEqual(expected);
  });

  it("loses members of others over the limits, with one warning, and never the run", () => {
    const members = Array.from({ length: 70 }, (_, index) => `k${index}=v`);
    for (const carrier of [{}, {}] as Array<Record<string, string>>) {
      inject({ run: runOf({ customerId: "c-over-the-limit" }), baggage: members }, carrier);
      expect(carrier["baggage"]?.split(",")).toHaveLength(64);
    }
    expect(warnings).toEqual(["10 foreign members dropped"]);
  });

  it("is warned of when it is over 4 KiB", () => {
    inject({ run: runOf(), baggage: [`k=${"x".repeat(5000)}`] }, {});
    expect(warnings).toEqual(["baggage over 4 KiB"]);
  });

  it("is the trace alone where the run may not go and there is no trace state", () => {
    const carrier = {};
    inject({ spanContext, run: runOf() }, carrier, { allow: { baggage: false, trace: true } });
    expect(carrier).toEqual({ traceparent: `00-${TRACE}-${SPAN}-01` });
  });

  it("goes where a setter puts it", () => {
    const fields: Array<[string, string]> = [];
    inject({ spanContext, run: runOf() }, fields, { setter: (to, key, value) => to.push([key, value]) });
    expect(fields.map(([key]) => key)).toEqual(["baggage", "traceparent", "tracestate"]);
  });
});
