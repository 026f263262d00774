import { createRequire } from "node:module";
import { context, defaultTextMapGetter, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterEach, describe, expect, it } from "vitest";
import { enable, type EnabledProvider, type ProviderConfig } from "./enable.ts";
import { registeredWithApi } from "./api-globals.ts";

const RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const HEADERS = {
  baggage: `botanu.run_id=${RUN},botanu.workflow=w`,
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
};
const NOTHING = { tracerProvider: false, contextManager: false, propagator: false };

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

describe("enable", () => {
  it("touches nothing global unless asked, and stamps what its provider makes", async () => {
    const exporter = new InMemorySpanExporter();
    const enabled = enable({ serviceName: "shop", environment: "staging", exporter, env: {} });
    expect([enabled.status, enabled.registered, registeredWithApi()]).toEqual(["enabled", NOTHING, NOTHING]);
    const parent = enabled.propagator.extract(ROOT_CONTEXT, HEADERS, defaultTextMapGetter);
    enabled.provider?.getTracer("t").startSpan("a", {}, parent).end();
    await enabled.forceFlush();
    const [span] = exporter.getFinishedSpans();
    expect(span?.attributes).toEqual({ "botanu.run_id": RUN, "botanu.workflow": "w", "botanu.environment": "unknown" });
    expect(span?.resource.attributes).toMatchObject({
      "service.name": "shop",
      "deployment.environment.name": "staging",
      "telemetry.distro.name": "botanu",
      "telemetry.sdk.name": "opentelemetry",
    });
    await enabled.shutdown();
  });

  it("registers all parts when asked, once", () => {
    const exporter = new InMemorySpanExporter();
    const first = enable({ processors: [new SimpleSpanProcessor(exporter)], register: true, env: {} });
    expect(first.registered).toEqual({ tracerProvider: true, contextManager: true, propagator: true });
    const second = enable({ exporter, register: true, env: {} });
    expect([second.status, second.provider, second.registered]).toEqual(["present", undefined, NOTHING]);
    context.with(propagation.extract(ROOT_CONTEXT, HEADERS), () => trace.getTracer("t").startSpan("a").end());
    expect(exporter.getFinishedSpans().map((span) => span.attributes["botanu.run_id"])).toEqual([RUN]);
  });

  it("makes no second provider beside one of the application", async () => {
    const own = new BasicTracerProvider();
    trace.setGlobalTracerProvider(own);
    const enabled = enable({ register: true, env: {} });
    expect([enabled.status, enabled.provider, enabled.registered]).toEqual(["present", undefined, NOTHING]);
    expect(registeredWithApi().propagator).toBe(false);
    await expect(enabled.forceFlush()).resolves.toBeUndefined();
    await expect(enabled.shutdown()).resolves.toBeUndefined();
  });

  it("works with a provider of the next line", () => {
    const { TracerProvider } = createRequire(new URL("../../conformance/otel-3/package.json", import.meta.url))(
      "@opentelemetry/sdk-trace",
    ) as {
      TracerProvider: new (config: ProviderConfig) => EnabledProvider;
    };
    const exporter = new InMemorySpanExporter();
    const enabled = enable({
      processors: [new SimpleSpanProcessor(exporter)],
      createProvider: (config) => new TracerProvider(config),
      env: {},
    });
    const parent = enabled.propagator.extract(ROOT_CONTEXT, HEADERS, defaultTextMapGetter);
    enabled.provider?.getTracer("t").startSpan("a", {}, parent).end();
    expect(exporter.getFinishedSpans().map((span) => span.attributes["botanu.run_id"])).toEqual([RUN]);
  });

  it("throws on a host rule that is none", () => {
    expect(() => enable({ propagateTo: "https://host/path", env: {} })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });
});
