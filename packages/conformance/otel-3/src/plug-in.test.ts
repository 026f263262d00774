import { OtlpSink } from "@botanu/conformance";
import { createRun, ROOT_CONTEXT, setRun } from "@botanu/core";
import { RunSpanProcessor } from "@botanu/otel";
import { OtlpTraceExporter } from "@botanu/otlp";
import { createTracer } from "@botanu/tracer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  TracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let sink: OtlpSink;
beforeEach(async () => {
  sink = await OtlpSink.listen();
});
afterEach(() => sink.close());

const RUN = createRun({ workflow: "w", eventId: "e", environment: "test" });

describe("our parts in the SDK 3.x", () => {
  it.each([
    ["simple", (exporter: OtlpTraceExporter) => new SimpleSpanProcessor({ exporter })],
    ["batch", (exporter: OtlpTraceExporter) => new BatchSpanProcessor({ exporter })],
  ])("spans of a run are stamped and delivered, %s processor", async (_title, createProcessor) => {
    const provider = new TracerProvider({
      resource: resourceFromAttributes({ "service.name": "shop" }),
      spanProcessors: [new RunSpanProcessor(), createProcessor(new OtlpTraceExporter({ endpoint: sink.endpoint }))],
    });
    const tracer = provider.getTracer("plug-in");
    tracer.startSpan("in the run", { kind: 1 }, setRun(ROOT_CONTEXT, RUN)).end();
    tracer.startSpan("outside", {}, ROOT_CONTEXT).end();
    await provider.forceFlush();
    await provider.shutdown();
    expect(sink.refused).toEqual([]);
    const inside = sink.spans.find(({ name }) => name === "in the run");
    expect(inside).toMatchObject({ kind: 2, resource: { "service.name": "shop" } });
    expect(inside?.attributes).toEqual({
      "botanu.run_id": RUN.runId,
      "botanu.workflow": "w",
      "botanu.event_id": "e",
      "botanu.environment": "test",
    });
    expect(sink.spans.find(({ name }) => name === "outside")?.attributes).toEqual({});
  });
});

describe("the parts of the SDK 3.x in our tracer", () => {
  it("exporter and resource", async () => {
    const exporter = new InMemorySpanExporter();
    const tracer = createTracer({ exporter, resource: resourceFromAttributes({ "service.name": "shop" }) });
    const invocation = tracer.startInvocation(setRun(ROOT_CONTEXT, RUN));
    tracer.startSpan("s", {}, invocation.context).end();
    await invocation.flush();
    const [span] = exporter.getFinishedSpans();
    expect(span?.attributes["botanu.run_id"]).toBe(RUN.runId);
    expect(span?.resource.attributes["service.name"]).toBe("shop");
  });

  it.each([
    ["simple", (exporter: InMemorySpanExporter) => new SimpleSpanProcessor({ exporter })],
    ["batch", (exporter: InMemorySpanExporter) => new BatchSpanProcessor({ exporter })],
  ])("%s processor", async (_title, createProcessor) => {
    const exporter = new InMemorySpanExporter();
    const tracer = createTracer({ processors: [createProcessor(exporter)] });
    tracer.startSpan("s", {}, ROOT_CONTEXT).end();
    await tracer.forceFlush();
    const invocation = tracer.startInvocation();
    await invocation.flush();
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(["s"]);
    await tracer.shutdown();
  });

  it("sampler", async () => {
    const exporter = new InMemorySpanExporter();
    const tracer = createTracer({ exporter, sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) });
    const span = tracer.startSpan("s", {}, ROOT_CONTEXT);
    expect([span.isRecording(), span.spanContext().traceFlags & 1]).toEqual([false, 0]);
  });
});
