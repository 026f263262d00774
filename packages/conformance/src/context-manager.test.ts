import { activeContext, createRun, getRun, setRun, withContext } from "@botanu/core";
import { RunSpanProcessor } from "@botanu/otel";
import { activeRun, createTracer, getSpan } from "@botanu/tracer";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { SpanCollector } from "./differential/subject.ts";

const collector = new SpanCollector();
const provider = new BasicTracerProvider({ spanProcessors: [new RunSpanProcessor(), collector] });

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
});
afterAll(() => {
  context.disable();
  trace.disable();
});

describe("beside a registered context manager of OpenTelemetry", () => {
  it("what we make active is active for OpenTelemetry, across awaits", async () => {
    const run = createRun({ workflow: "w" });
    await withContext(setRun(activeContext(), run), async () => {
      await Promise.resolve();
      expect(getRun(context.active())).toBe(run);
      trace.getTracer("theirs").startSpan("theirs").end();
    });
    expect(collector.ended.at(-1)?.attributes["botanu.run_id"]).toBe(run.runId);
    expect(getRun(context.active())).toBeUndefined();
  });

  it("what OpenTelemetry makes active is active for us, and the parent of our spans", async () => {
    await trace.getTracer("theirs").startActiveSpan("outer", async (outer) => {
      await Promise.resolve();
      expect(getSpan(activeContext())).toBe(outer);
      const ours = createTracer().startSpan("inner");
      expect(ours.spanContext().traceId).toBe(outer.spanContext().traceId);
      outer.end();
    });
    expect(activeRun()).toBeUndefined();
  });

  it("fifty interleaved runs reach the right spans of OpenTelemetry", async () => {
    const first = collector.ended.length;
    const runs = Array.from({ length: 50 }, (_, n) => createRun({ workflow: `w${n}` }));
    await Promise.all(
      runs.map((run, n) =>
        withContext(setRun(activeContext(), run), async () => {
          for (let turn = 0; turn <= n % 5; turn += 1) await Promise.resolve();
          trace.getTracer("theirs").startSpan(run.workflow).end();
        }),
      ),
    );
    const seen = collector.ended.slice(first).map(({ name, attributes }) => [name, attributes["botanu.run_id"]]);
    expect(new Map(seen as [string, string][])).toEqual(new Map(runs.map((run) => [run.workflow, run.runId])));
  });
});
