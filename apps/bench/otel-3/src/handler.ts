// sdk-trace 3.1 as its documentation leads to it in a Worker.

import { ROOT_CONTEXT, context, trace } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { asyncContextManager, plainHandler } from "@botanu/bench/handlers/plain-otel";

export default plainHandler((env) => {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "bench" }),
    spanProcessors: [new SimpleSpanProcessor({ exporter: new OTLPTraceExporter({ url: env.SINK }) })],
  });
  context.setGlobalContextManager(asyncContextManager(ROOT_CONTEXT));
  return {
    api: { ROOT_CONTEXT, context, trace } as never,
    tracer: provider.getTracer("bench"),
    propagator: new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
    flush: () => provider.forceFlush(),
  };
});
