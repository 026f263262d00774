import { createRun, getRun, setRun, type Context as CoreContext } from "@botanu/core";
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  trace,
  type Context,
} from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";
import { RunPropagator, type RunPropagatorOptions } from "./run-propagator.ts";

const RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-03`;
const OWN = `botanu.run_id=${RUN},botanu.workflow=support,botanu.customer_id=a%2Bb,botanu.environment=staging`;
const IN = { traceparent: TRACEPARENT, tracestate: "other=1", baggage: `first=1;p=a%20b,${OWN},second=%C3%A4,first=2` };

type Headers = Record<string, string>;

function read(headers: Record<string, unknown>, options?: RunPropagatorOptions): Context {
  return new RunPropagator(options).extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}

function write(context: Context, options?: RunPropagatorOptions, headers: Headers = {}): Headers {
  new RunPropagator(options).inject(context, headers, defaultTextMapSetter);
  return headers;
}

describe("RunPropagator", () => {
  it("forwards what came in: run first, foreign members unchanged and in order, flags kept", () => {
    expect(write(read(IN))).toEqual({
      traceparent: TRACEPARENT,
      tracestate: `botanu=${RUN},other=1`,
      baggage: `${OWN},first=1;p=a%20b,second=%C3%A4,first=2`,
    });
  });

  it("keeps the random flag below spans of the SDK, which lose it", () => {
    const tracer = new BasicTracerProvider().getTracer("test");
    const context = read(IN);
    const span = tracer.startSpan("client", { kind: 2 }, context);
    expect(span.spanContext().traceFlags).toBe(1);
    expect(write(trace.setSpan(context, span))["traceparent"]).toBe(`00-${TRACE}-${span.spanContext().spanId}-03`);
    const unrelated = tracer.startSpan("other", { root: true }, context);
    expect(write(trace.setSpan(context, unrelated))["traceparent"]).toMatch(/-01$/);
  });

  it("reads a run without a traceparent, and a header given in several fields", () => {
    const context = read({ baggage: ["x=1", OWN] });
    expect(getRun(context as CoreContext)).toMatchObject({ runId: RUN, workflow: "support", customerId: "a+b" });
    expect(write(context)).toEqual({ baggage: `${OWN},x=1` });
  });

  it("reads a raw plus sign as the space that Python wrote", () => {
    const context = read({ baggage: `botanu.run_id=${RUN},botanu.workflow=Customer+Support,note=a+b` });
    expect(getRun(context as CoreContext)?.workflow).toBe("Customer Support");
    expect(propagation.getBaggage(context)?.getEntry("botanu.workflow")?.value).toBe("Customer Support");
    expect(write(context)["baggage"]).toContain("botanu.workflow=Customer%20Support");
    expect(write(context)["baggage"]).toContain("note=a+b");
  });

  it("shows the baggage to the application, and sends what the application makes of it", () => {
    const context = read(IN);
    const baggage = propagation.getBaggage(context);
    expect(baggage?.getEntry("second")?.value).toBe("ä");
    expect(baggage?.getEntry("first")?.value).toBe("2");
    expect(baggage?.getEntry("botanu.run_id")?.value).toBe(RUN);
    const changed = baggage?.removeEntry("first").setEntry("third", { value: "a,b" });
    expect(changed?.getAllEntries().map(([key]) => key)).toContain("third");
    expect(write(propagation.setBaggage(context, changed!))["baggage"]).toBe(`${OWN},second=%C3%A4,third=a%2Cb`);
    expect(write(propagation.setBaggage(context, baggage!.clear()))["baggage"]).toBe(OWN);
    expect(write(propagation.setBaggage(context, baggage!.removeEntries("first", "second")))["baggage"]).toBe(OWN);
  });

  it("sends baggage of the API's own making with the run of this process first", () => {
    const run = createRun({ workflow: "w" });
    const baggage = propagation.createBaggage({ note: { value: "a b" }, "botanu.customer_id": { value: "spoof" } });
    const context = setRun(propagation.setBaggage(ROOT_CONTEXT, baggage) as CoreContext, run) as Context;
    expect(write(context)).toEqual({
      baggage: `botanu.run_id=${run.runId},botanu.workflow=w,botanu.environment=unknown,note=a%20b`,
    });
  });

  it("rewrites the trace-state member for a nested run", () => {
    const context = read({ ...IN, tracestate: `other=1,botanu=${RUN}` });
    const nested = createRun({ workflow: "inner", parent: getRun(context as CoreContext) });
    expect(write(setRun(context as CoreContext, nested) as Context)["tracestate"]).toBe(
      `botanu=${nested.runId},other=1`,
    );
  });

  it("removes every botanu member of a caller that is not trusted", () => {
    const context = read(
      { ...IN, tracestate: `botanu=${RUN},other=1`, "x-botanu-run-id": RUN, "x-botanu-workflow": "w" },
      { trust: false },
    );
    expect(getRun(context as CoreContext)).toBeUndefined();
    expect(write(context)).toEqual({
      traceparent: TRACEPARENT,
      tracestate: "other=1",
      baggage: "first=1;p=a%20b,second=%C3%A4,first=2",
    });
  });

  it("asks a trust predicate with the carrier, and does not trust when it throws", () => {
    const trust = (carrier: unknown): boolean => (carrier as Headers)["x-internal"] === "1";
    expect(getRun(read({ ...IN, "x-internal": "1" }, { trust }) as CoreContext)?.runId).toBe(RUN);
    expect(getRun(read(IN, { trust }) as CoreContext)).toBeUndefined();
    const broken = (): boolean => {
      throw new Error("rule");
    };
    expect(getRun(read(IN, { trust: broken }) as CoreContext)).toBeUndefined();
  });

  it.each([
    ["everything", { baggage: true, trace: true }, ["baggage", "traceparent", "tracestate"], `botanu=${RUN},other=1`],
    ["trace context only", { baggage: false, trace: true }, ["traceparent", "tracestate"], "other=1"],
    ["baggage only", { baggage: true, trace: false }, ["baggage"], undefined],
    ["nothing", { baggage: false, trace: false }, [], undefined],
  ])("sends %s where the destination rule says so", (_, destination, keys, tracestate) => {
    const headers = write(read({ ...IN, tracestate: `botanu=${RUN},other=1` }), { destination: () => destination });
    expect(Object.keys(headers).toSorted()).toEqual(keys);
    expect(headers["tracestate"]).toBe(tracestate);
  });

  it("sends nothing when the destination rule throws", () => {
    const destination = (): never => {
      throw new Error("rule");
    };
    expect(write(read(IN), { destination })).toEqual({});
  });

  it("keeps a baggage header that the application wrote itself", () => {
    expect(write(read(IN), {}, { Baggage: "mine=1" })).toEqual({
      Baggage: "mine=1",
      traceparent: TRACEPARENT,
      tracestate: `botanu=${RUN},other=1`,
    });
  });

  it("sends nothing from within an export of the SDK", () => {
    expect(write(suppressTracing(read(IN)))).toEqual({});
  });

  it.each<[string, RunPropagatorOptions, string[]]>([
    ["without baggage", { baggage: false }, ["traceparent", "tracestate"]],
    ["without trace context", { trace: false }, ["baggage"]],
  ])("reads and writes %s when told so", (_, options, fields) => {
    expect(new RunPropagator(options).fields()).toEqual(fields);
    const context = read({ ...IN, "x-botanu-run-id": RUN, "x-botanu-workflow": "w" }, options);
    expect(Object.keys(write(context)).toSorted()).toEqual(fields.toSorted());
    expect(getRun(context as CoreContext) === undefined).toBe(options.baggage === false);
  });

  it("never throws, whatever the carrier does", () => {
    const broken = {
      get: () => {
        throw new Error("get");
      },
      keys: () => [],
      set: () => {
        throw new Error("set");
      },
    };
    const propagator = new RunPropagator();
    expect(propagator.extract(ROOT_CONTEXT, {}, broken)).toBe(ROOT_CONTEXT);
    expect(() => propagator.inject(read(IN), {}, broken)).not.toThrow();
    for (const carrier of [undefined, null, 1, "text"]) {
      expect(propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter)).toBe(ROOT_CONTEXT);
      expect(() => propagator.inject(read(IN), carrier, defaultTextMapSetter)).not.toThrow();
    }
  });
});
