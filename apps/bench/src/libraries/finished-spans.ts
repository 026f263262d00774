import { ROOT_CONTEXT } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { SERVER_ATTRIBUTES, SERVER_KIND, SPANS_PER_BATCH } from "./cases.ts";

/** Spans that the SDK itself finished, so that every serialiser gets the very objects it would get in an application. */
export function finishedSpans(): ReadableSpan[] {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "bench", "service.version": "1.0.0" }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer("bench", "1");
  for (let index = 0; index < SPANS_PER_BATCH; index++) {
    const attributes = {
      ...SERVER_ATTRIBUTES,
      "botanu.run_id": "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2",
      "botanu.step": `step ${index % 7}`,
      attempt: index % 3,
    };
    const span = tracer.startSpan(`GET /orders/${index % 13}`, { kind: SERVER_KIND, attributes }, ROOT_CONTEXT);
    span.addEvent("cache.miss", { key: `order-${index}`, size: index });
    span.end();
  }
  return exporter.getFinishedSpans();
}
