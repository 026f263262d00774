// @hono/otel on sdk-trace-base 2.12, with the parts that its README leaves to the user.

import { httpInstrumentationMiddleware } from "@hono/otel";
import * as api from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { Hono } from "hono";
import { asyncContextManager } from "./plain-otel.ts";

interface Env {
  readonly UPSTREAM: string;
  readonly SINK: string;
}

let provider: BasicTracerProvider | undefined;

const app = new Hono<{ Bindings: Env }>();
app.use(httpInstrumentationMiddleware({ serviceName: "bench" }));
app.get("/", async (c) => {
  const tracer = (provider as BasicTracerProvider).getTracer("bench");
  const span = tracer.startSpan("GET", {
    kind: api.SpanKind.CLIENT,
    attributes: { "http.request.method": "GET", "url.full": c.env.UPSTREAM },
  });
  const headers = new Headers();
  api.propagation.inject(api.trace.setSpan(api.context.active(), span), headers, {
    set: (carrier, key, value) => carrier.set(key, value),
  });
  const response = await fetch(c.env.UPSTREAM, { headers });
  span.setAttribute("http.response.status_code", response.status);
  span.end();
  return c.text(await response.text());
});

export default {
  async fetch(request: Request, env: Env, ctx: { waitUntil(promise: Promise<unknown>): void }): Promise<Response> {
    provider ??= register(env);
    const response = await app.fetch(request, env, ctx as never);
    ctx.waitUntil(provider.forceFlush().catch(() => undefined));
    return response;
  },
};

function register(env: Env): BasicTracerProvider {
  const made = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "bench" }),
    spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url: env.SINK }))],
  });
  api.trace.setGlobalTracerProvider(made);
  api.context.setGlobalContextManager(asyncContextManager(api.ROOT_CONTEXT));
  api.propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  );
  return made;
}
