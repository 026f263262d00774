// sdk-trace-base 2.12 as its documentation leads to it in a Worker.

import { ROOT_CONTEXT, context, trace } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { asyncContextManager, plainHandler } from "./plain-otel.ts";

export default plainHandler((env) => {
  const processor = new SimpleSpanProcessor(new OTLPTraceExporter({ url: env.SINK }));
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "bench" }),
    spanProcessors: [processor],
  });
  context.setGlobalContextManager(asyncContextManager(ROOT_CONTEXT));
  return {
    api: { ROOT_CONTEXT, context, trace },
    tracer: provider.getTracer("bench"),
    propagator: new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
    flush: () => provider.forceFlush(),
  };
});
