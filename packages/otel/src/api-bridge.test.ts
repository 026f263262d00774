import { activeContext, createRun, ROOT_CONTEXT, setRun, withContext } from "@botanu/core";
import { createTracer, type ReadableSpan } from "@botanu/tracer";
import { context, propagation, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, it } from "vitest";
import { registerWithApi } from "./api-bridge.ts";
import { registeredWithApi } from "./api-globals.ts";

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

function collecting() {
  const spans: ReadableSpan[] = [];
  const tracer = createTracer({
    propagateTo: "api.partner.example",
    exporter: {
      export: (ended, done) => done({ code: spans.push(...ended) > 0 ? 0 : 1 }),
      shutdown: () => Promise.resolve(),
    },
  });
  return { tracer, spans };
}

describe("registerWithApi", () => {
  it("lets third-party spans join the run, under their own scope", async () => {
    const { tracer, spans } = collecting();
    expect(registerWithApi(tracer)).toEqual({ tracerProvider: true, contextManager: true, propagator: true });
    const run = createRun({ workflow: "w" });
    withContext(setRun(ROOT_CONTEXT, run), () =>
      tracer.startActiveSpan("ours", (outer) => {
        trace.getTracer("some-instrumentation", "1.2.3").startActiveSpan("theirs", { kind: 2 }, (inner) => {
          expect(trace.getActiveSpan()).toBe(inner);
          expect(activeContext()).toBe(context.active());
          inner.end();
        });
        outer.end();
      }),
    );
    await tracer.forceFlush();
    const [theirs, ours] = spans;
    expect(theirs?.instrumentationScope).toEqual({ name: "some-instrumentation", version: "1.2.3" });
    expect(ours?.instrumentationScope.name).not.toBe("some-instrumentation");
    expect(theirs?.parentSpanContext?.spanId).toBe(ours?.spanContext().spanId);
    expect(spans.map((span) => span.attributes["botanu.run_id"])).toEqual([run.runId, run.runId]);
  });

  it.each([
    ["http://orders/x", ["baggage", "traceparent", "tracestate"]],
    ["https://api.partner.example/x", ["baggage"]],
    ["https://api.openai.com/x", []],
  ])("sends context on to %s by the tracer's rules", (url, keys) => {
    const { tracer } = collecting();
    registerWithApi(tracer);
    withContext(setRun(ROOT_CONTEXT, createRun({ workflow: "w" })), () => {
      const span = trace.getTracer("http").startSpan("GET", { kind: 2, attributes: { "url.full": url } });
      const headers: Record<string, string> = {};
      propagation.inject(trace.setSpan(context.active(), span), headers);
      expect(Object.keys(headers).toSorted()).toEqual(keys);
    });
  });

  it("replaces nothing that is registered", () => {
    const first = collecting();
    registerWithApi(first.tracer);
    expect(registeredWithApi()).toEqual({ tracerProvider: true, contextManager: true, propagator: true });
    expect(registerWithApi(collecting().tracer)).toEqual({
      tracerProvider: false,
      contextManager: false,
      propagator: false,
    });
  });
});
