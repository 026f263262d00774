import { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, propagation } from "@opentelemetry/api";
import { W3CBaggagePropagator } from "@opentelemetry/core";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, NoopSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { Case } from "./cases.ts";
import { finishedSpans } from "./finished-spans.ts";
import { otelCases } from "./otel-cases.ts";

const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "bench" }),
  spanProcessors: [new NoopSpanProcessor()],
});

export const cases: Record<string, Case> = {
  ...otelCases({
    api: { ROOT_CONTEXT, propagation, defaultTextMapGetter, defaultTextMapSetter },
    tracer: provider.getTracer("bench", "1"),
    baggage: new W3CBaggagePropagator(),
  }),
  "otlp.json": () => {
    const spans = finishedSpans();
    return () => JsonTraceSerializer.serializeRequest(spans);
  },
  "otlp.protobuf": () => {
    const spans = finishedSpans();
    return () => ProtobufTraceSerializer.serializeRequest(spans);
  },
};
