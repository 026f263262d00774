import { createRequire } from "node:module";
import {
  createRun,
  createTraceState,
  ROOT_CONTEXT as CORE_ROOT,
  setRun,
  withStep,
  type Context as CoreContext,
} from "@botanu/core";
import { createTracer, setSpan, wrapSpanContext, type ReadableSpan } from "@botanu/tracer";
import { defaultTextMapGetter, propagation, ROOT_CONTEXT, trace, type Context } from "@opentelemetry/api";
import { W3CBaggagePropagator } from "@opentelemetry/core";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";
import { RunPropagator } from "./run-propagator.ts";
import { RunSpanProcessor } from "./run-span-processor.ts";

const RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const ALL = {
  "botanu.run_id": RUN,
  "botanu.workflow": "support",
  "botanu.event_id": "ticket-1",
  "botanu.customer_id": "acme",
  "botanu.environment": "staging",
  "botanu.tenant_id": "t1",
  "botanu.parent_run_id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c",
  "botanu.step": "draft",
};

/** Both lines of the SDK, whose providers take the same configuration. */
const SDK3 = createRequire(new URL("../../conformance/otel-3/package.json", import.meta.url))(
  "@opentelemetry/sdk-trace",
) as {
  TracerProvider: typeof BasicTracerProvider;
  SimpleSpanProcessor: new (config: { exporter: unknown }) => SimpleSpanProcessor;
  InMemorySpanExporter: typeof InMemorySpanExporter;
};
const LINES = [
  ["sdk-trace-base 2", provider2],
  ["sdk-trace 3", provider3],
] as const;

function provider2() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new RunSpanProcessor(), new SimpleSpanProcessor(exporter)],
  });
  return { tracer: provider.getTracer("test"), spans: () => exporter.getFinishedSpans() };
}

function provider3() {
  const exporter = new SDK3.InMemorySpanExporter();
  const provider = new SDK3.TracerProvider({
    spanProcessors: [new RunSpanProcessor(), new SDK3.SimpleSpanProcessor({ exporter })],
  });
  return { tracer: provider.getTracer("test"), spans: () => exporter.getFinishedSpans() };
}

function headerOf(attributes: Record<string, string>): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function extracted(headers: Record<string, string>): Context {
  return new RunPropagator().extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}

function botanuOf(attributes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(attributes).filter(([key]) => key.startsWith("botanu.")));
}

describe.each(LINES)("RunSpanProcessor on %s", (_, setUp) => {
  it("stamps the eight keys on every span of a run, whatever its kind and depth", () => {
    const { tracer, spans } = setUp();
    let context = extracted({ baggage: headerOf(ALL), traceparent: `00-${TRACE}-${PARENT}-01` });
    for (const kind of [0, 1, 2, 3, 4]) {
      const span = tracer.startSpan(`span ${kind}`, { kind }, context);
      context = trace.setSpan(context, span);
      span.end();
    }
    tracer.startSpan("new root", { root: true }, context).end();
    expect(spans().map((span) => botanuOf(span.attributes))).toEqual(Array.from({ length: 6 }, () => ALL));
  });

  it("stamps a run that was set in this process, step included, rather than the one in baggage", () => {
    const { tracer, spans } = setUp();
    const run = withStep(createRun({ workflow: "local", customerId: "c" }), "one");
    const context = setRun(extracted({ baggage: headerOf(ALL) }) as CoreContext, run) as Context;
    tracer.startSpan("a", {}, context).end();
    expect(botanuOf(spans()[0]?.attributes ?? {})).toEqual({
      "botanu.run_id": run.runId,
      "botanu.workflow": "local",
      "botanu.customer_id": "c",
      "botanu.environment": "unknown",
      "botanu.step": "one",
    });
  });

  it("never overwrites what the span has", () => {
    const { tracer, spans } = setUp();
    tracer
      .startSpan("a", { attributes: { "botanu.customer_id": "mine" } }, extracted({ baggage: headerOf(ALL) }))
      .end();
    expect(spans()[0]?.attributes["botanu.customer_id"]).toBe("mine");
    expect(spans()[0]?.attributes["botanu.run_id"]).toBe(RUN);
  });

  it("falls back to the trace state of the parent and says so", () => {
    const { tracer, spans } = setUp();
    const context = extracted({ traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: `botanu=${RUN},other=1` });
    const span = tracer.startSpan("a", {}, context);
    tracer.startSpan("b", {}, trace.setSpan(context, span)).end();
    span.end();
    for (const each of spans()) {
      expect(botanuOf(each.attributes)).toEqual({ "botanu.run_id": RUN, "botanu.stamped_by": "tracestate" });
    }
    expect(spans()).toHaveLength(2);
  });

  it("stamps nothing outside a run", () => {
    const { tracer, spans } = setUp();
    tracer.startSpan("a", {}, ROOT_CONTEXT).end();
    tracer
      .startSpan(
        "b",
        {},
        extracted({ baggage: "other=1", traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "botanu=nonsense" }),
      )
      .end();
    expect(spans().map((span) => botanuOf(span.attributes))).toEqual([{}, {}]);
  });
});

describe("RunSpanProcessor and other readers of baggage", () => {
  const cases: ReadonlyArray<readonly [string, string, Record<string, unknown>]> = [
    [
      "run id and workflow",
      `botanu.run_id=${RUN},botanu.workflow=w`,
      { "botanu.run_id": RUN, "botanu.workflow": "w", "botanu.environment": "unknown" },
    ],
    [
      "upper-case run id",
      `botanu.run_id=${RUN.toUpperCase()},botanu.workflow=w`,
      { "botanu.run_id": RUN, "botanu.workflow": "w", "botanu.environment": "unknown" },
    ],
    ["no workflow", `botanu.run_id=${RUN}`, {}],
    ["no run id", "botanu.workflow=w", {}],
    ["a run id that is none", "botanu.run_id=42,botanu.workflow=w", {}],
    [
      "a key outside the list",
      `botanu.run_id=${RUN},botanu.workflow=w,botanu.attempt=3,botanu.secret=s,secret=s`,
      { "botanu.run_id": RUN, "botanu.workflow": "w", "botanu.environment": "unknown" },
    ],
    [
      "a literal plus sign",
      `botanu.run_id=${RUN},botanu.workflow=w,botanu.customer_id=a%2Bb`,
      { "botanu.run_id": RUN, "botanu.workflow": "w", "botanu.environment": "unknown", "botanu.customer_id": "a+b" },
    ],
  ];
  it.each(cases)("W3CBaggagePropagator: %s", (_, baggage, expected) => {
    const { tracer, spans } = provider2();
    tracer
      .startSpan("a", {}, new W3CBaggagePropagator().extract(ROOT_CONTEXT, { baggage }, defaultTextMapGetter))
      .end();
    expect(botanuOf(spans()[0]?.attributes ?? {})).toEqual(expected);
  });

  it("reads baggage that the application made", () => {
    const { tracer, spans } = provider2();
    const baggage = propagation.createBaggage({
      "botanu.run_id": { value: RUN },
      "botanu.workflow": { value: "two words" },
    });
    tracer.startSpan("a", {}, propagation.setBaggage(ROOT_CONTEXT, baggage)).end();
    expect(spans()[0]?.attributes["botanu.workflow"]).toBe("two words");
  });

  it("stamps spans of the light tracer too", async () => {
    const seen: ReadableSpan[] = [];
    const tracer = createTracer({
      processors: [new RunSpanProcessor()],
      exporter: {
        export: (spans, done) => done({ code: seen.push(...spans) > 0 ? 0 : 1 }),
        shutdown: () => Promise.resolve(),
      },
    });
    const parent = wrapSpanContext({
      traceId: TRACE,
      spanId: PARENT,
      traceFlags: 1,
      traceState: createTraceState(`botanu=${RUN}`),
    });
    tracer.startSpan("a", {}, setSpan(CORE_ROOT, parent)).end();
    await tracer.forceFlush();
    expect(seen.map((span) => botanuOf(span.attributes))).toEqual([
      { "botanu.run_id": RUN, "botanu.stamped_by": "tracestate" },
    ]);
  });

  it("keeps an untrusted caller's run id on the entry span only", () => {
    const { tracer, spans } = provider2();
    const context = new RunPropagator({ trust: false }).extract(
      ROOT_CONTEXT,
      { baggage: headerOf(ALL), traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: `botanu=${RUN}` },
      defaultTextMapGetter,
    );
    const entry = tracer.startSpan("entry", {}, context);
    tracer.startSpan("inner", {}, trace.setSpan(context, entry)).end();
    entry.end();
    expect(spans().map((span) => botanuOf(span.attributes))).toEqual([{}, { "botanu.untrusted.run_id": RUN }]);
  });

  it.each([
    [
      "a context that throws",
      {
        getValue: () => {
          throw new Error("context");
        },
      },
      {},
    ],
    [
      "a span that throws",
      ROOT_CONTEXT,
      {
        setAttribute: () => {
          throw new Error("span");
        },
      },
    ],
    ["a span without attributes", ROOT_CONTEXT, { attributes: undefined }],
  ])("survives %s", (_, context, span) => {
    const processor = new RunSpanProcessor();
    const full = { attributes: {}, setAttribute: () => undefined, ...span } as never;
    const run = setRun(ROOT_CONTEXT as CoreContext, createRun({ workflow: "w" }));
    expect(() => processor.onStart(full, (context === ROOT_CONTEXT ? run : context) as Context)).not.toThrow();
  });
});
