import { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, propagation } from "@opentelemetry/api";
import { W3CBaggagePropagator } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { NoopSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Case } from "@botanu/bench/libraries/cases";
import { otelCases } from "@botanu/bench/libraries/otel-cases";

const provider = new TracerProvider({
  resource: resourceFromAttributes({ "service.name": "bench" }),
  spanProcessors: [new NoopSpanProcessor()],
});

export const cases: Record<string, Case> = otelCases({
  api: { ROOT_CONTEXT, propagation, defaultTextMapGetter, defaultTextMapSetter } as never,
  tracer: provider.getTracer("bench", "1") as never,
  baggage: new W3CBaggagePropagator() as never,
});
