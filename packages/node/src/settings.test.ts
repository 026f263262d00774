import { contextRun } from "@botanu/otel";
import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  trace,
  type Span,
} from "@opentelemetry/api";
import * as resources from "@opentelemetry/resources";
import * as sdk from "@opentelemetry/sdk-trace-base";
import { beforeEach, describe, expect, it } from "vitest";
import { isOn, listOf, numberOf } from "./environment.ts";
import { createOutgoingGuard } from "./outgoing-guard.ts";
import { createPassThroughProvider } from "./pass-through-provider.ts";
import { propagatorFromEnvironment } from "./propagators.ts";
import { detectResource } from "./resource-detection.ts";
import { samplerFromEnvironment } from "./samplers.ts";
import { exportingProcessors } from "./span-exporters.ts";

const warnings: string[] = [];
const warn = (message: string): void => void warnings.push(message);
beforeEach(() => void warnings.splice(0));

const RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const INCOMING = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  baggage: `botanu.run_id=${RUN},botanu.workflow=w`,
};

describe("environment variables", () => {
  it.each([
    ["true", true, 0],
    ["TRUE", true, 0],
    ["false", false, 0],
    ["", false, 0],
    ["1", false, 1],
  ])("reads %j as the boolean %s", (value, expected, warned) => {
    expect([isOn({ X: value }, "X", warn), warnings.length]).toEqual([expected, warned]);
  });

  it("reads lists without gaps and repetitions, and numbers only", () => {
    expect(listOf({ X: " a, b,,a " }, "X")).toEqual(["a", "b"]);
    expect(listOf({ X: " " }, "X")).toBeUndefined();
    expect([numberOf({ X: "5" }, "X", warn), numberOf({}, "X", warn), warnings.length]).toEqual([5, undefined, 0]);
    expect([numberOf({ X: "five" }, "X", warn), warnings.length]).toEqual([undefined, 1]);
  });
});

describe("OTEL_TRACES_SAMPLER", () => {
  it.each([
    [undefined, undefined, /^ParentBased\{root=AlwaysOnSampler/, 0],
    ["always_off", undefined, /^AlwaysOffSampler/, 0],
    ["ALWAYS_ON", undefined, /^AlwaysOnSampler/, 0],
    ["traceidratio", "0.25", /^TraceIdRatioBased\{0\.25\}/, 0],
    ["parentbased_traceidratio", undefined, /^ParentBased\{root=TraceIdRatioBased\{1\}/, 0],
    ["parentbased_always_off", undefined, /^ParentBased\{root=AlwaysOffSampler/, 0],
    ["traceidratio", "2", /^TraceIdRatioBased\{1\}/, 1],
    ["jaeger_remote", undefined, /^ParentBased\{root=AlwaysOnSampler/, 1],
    ["constructor", undefined, /^ParentBased\{root=AlwaysOnSampler/, 1],
  ])("%s with %s", (name, arg, expected, warned) => {
    const sampler = samplerFromEnvironment({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: arg }, sdk, warn);
    expect(String(sampler)).toMatch(expected);
    expect(warnings).toHaveLength(warned);
  });
});

describe("OTEL_TRACES_EXPORTER", () => {
  const exporting = (env: Record<string, string>) =>
    exportingProcessors({ env, sdk, warn, diag: { warn }, fetch: globalThis.fetch });
  it.each<[string, Record<string, string>, number, number, number]>([
    ["otlp by default", {}, 1, 1, 0],
    ["none", { OTEL_TRACES_EXPORTER: "otlp,none" }, 0, 0, 0],
    ["console beside otlp", { OTEL_TRACES_EXPORTER: "console,otlp" }, 2, 1, 0],
    ["zipkin", { OTEL_TRACES_EXPORTER: "zipkin" }, 1, 1, 0],
    ["gRPC", { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, 1, 1, 0],
    ["a certificate", { OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere.pem" }, 1, 1, 0],
    ["a protocol that is none", { OTEL_EXPORTER_OTLP_PROTOCOL: "smoke" }, 1, 1, 1],
  ])("%s", async (_, env, processors, exporters, warned) => {
    const result = exporting(env);
    expect([result.processors.length, result.exporters.length, warnings.length]).toEqual([
      processors,
      exporters,
      warned,
    ]);
    await Promise.all(result.processors.map((each) => each.shutdown()));
  });
});

describe("OTEL_PROPAGATORS", () => {
  const everywhere = { baggage: true, trace: true };
  function sent(list: string | undefined, destination = everywhere): Record<string, string> {
    const propagator = propagatorFromEnvironment({
      env: { OTEL_PROPAGATORS: list },
      warn,
      trust: true,
      destination: () => destination,
    });
    const headers: Record<string, string> = {};
    propagator.inject(propagator.extract(ROOT_CONTEXT, INCOMING, defaultTextMapGetter), headers, defaultTextMapSetter);
    return headers;
  }
  it.each<[string, string | undefined, string[], number]>([
    ["the default", undefined, ["baggage", "traceparent", "tracestate"], 0],
    ["without baggage", "tracecontext", ["traceparent"], 1],
    ["without trace context", "baggage", ["baggage"], 0],
    ["none", "none", [], 1],
    [
      "with another format",
      "tracecontext,baggage,b3,jaeger",
      [
        "b3",
        "baggage",
        "traceparent",
        "tracestate",
        "uber-trace-id",
        "uberctx-botanu.environment",
        "uberctx-botanu.run_id",
        "uberctx-botanu.workflow",
      ],
      0,
    ],
    [
      "with several headers of another",
      "tracecontext,baggage,b3multi",
      ["baggage", "traceparent", "tracestate", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"],
      0,
    ],
    ["with one that is not there", "tracecontext,baggage,xray", ["baggage", "traceparent", "tracestate"], 1],
  ])("%s", (_, list, keys, warned) => {
    expect([Object.keys(sent(list)).toSorted(), warnings.length]).toEqual([keys, warned]);
  });

  it("holds other formats to the same destinations", () => {
    expect(Object.keys(sent("tracecontext,baggage,b3", { baggage: true, trace: false }))).toEqual(["baggage"]);
    expect(Object.keys(sent("tracecontext,baggage,jaeger", { baggage: false, trace: true })).toSorted()).toEqual([
      "traceparent",
    ]);
  });

  it("believes no run of an untrusted caller in another format", () => {
    const propagator = propagatorFromEnvironment({
      env: { OTEL_PROPAGATORS: "tracecontext,baggage,jaeger" },
      warn,
      trust: false,
      destination: () => everywhere,
    });
    const carrier = { ...INCOMING, "uberctx-botanu.run_id": RUN, "uberctx-botanu.workflow": "w", "uberctx-team": "a" };
    const found = propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
    expect(contextRun(found)).toBeUndefined();
    expect(propagation.getBaggage(found)?.getAllEntries()).toEqual([["team", { value: "a" }]]);
  });
});

describe("createOutgoingGuard", () => {
  const tracer = new sdk.BasicTracerProvider().getTracer("t");
  const client = (host: string): Span =>
    tracer.startSpan("c", { kind: 2, attributes: { "url.full": `http://${host}/` } });

  it("takes the hosts of the variables, without those that are none, and code before them", () => {
    const env = { BOTANU_PROPAGATE_TO: "a.example.com, http://b.example.com", BOTANU_TRACE_TO: "*" };
    const guard = createOutgoingGuard({}, env, warn);
    const decide = (host: string, by = guard) => by.destination(trace.setSpan(ROOT_CONTEXT, client(host)));
    expect(warnings).toHaveLength(1);
    expect(decide("a.example.com")).toEqual({ baggage: true, trace: true });
    expect(decide("b.example.com")).toEqual({ baggage: false, trace: true });
    expect(
      decide("a.example.com", createOutgoingGuard({ propagateTo: "c.example.com", traceTo: [] }, env, warn)),
    ).toEqual({ baggage: false, trace: false });
  });

  it.each([
    ["a list", ["accept", "*/*", "Baggage", "mine=1"]],
    ["a text", "accept: */*\r\nBaggage: mine=1\r\n"],
  ])("sees the header that a request brings itself, in %s", (_, headers) => {
    const guard = createOutgoingGuard({}, {}, warn);
    const span = client("orders");
    guard.requestHook(span, { headers });
    expect(guard.destination(trace.setSpan(ROOT_CONTEXT, span))).toEqual({ baggage: false, trace: true });
    const other = client("orders");
    guard.requestHook(other, { headers: ["x-baggage", "1", "accept", "baggage"] });
    expect(guard.destination(trace.setSpan(ROOT_CONTEXT, other))).toEqual({ baggage: true, trace: true });
  });
});

describe("createPassThroughProvider", () => {
  const tracer = createPassThroughProvider(context).getTracer("t");

  it("carries the caller's context on, knows where a client goes, and records nothing", () => {
    const parent = propagatorFromEnvironment({
      env: {},
      warn,
      trust: true,
      destination: () => ({ baggage: true, trace: true }),
    }).extract(ROOT_CONTEXT, INCOMING, defaultTextMapGetter);
    const span = tracer
      .startSpan("a", { kind: 2 }, parent)
      .setAttribute("url.full", "http://x/")
      .setAttributes({ a: 1 }) as Span & { attributes: object; kind: number };
    expect(span.spanContext().spanId).toBe("00f067aa0ba902b7");
    expect([span.isRecording(), span.kind, span.attributes]).toEqual([false, 2, { "url.full": "http://x/", a: 1 }]);
    expect(trace.isSpanContextValid(tracer.startSpan("b", { root: true }, parent).spanContext())).toBe(false);
    span
      .addEvent("e")
      .addLink({ context: span.spanContext() })
      .addLinks([])
      .setStatus({ code: 2 })
      .updateName("n")
      .recordException("x");
    span.end();
  });

  it("has every form of startActiveSpan", () => {
    expect(tracer.startActiveSpan("a", (span) => span.isRecording())).toBe(false);
    expect(tracer.startActiveSpan("a", { kind: 1 }, (span) => (span as unknown as { kind: number }).kind)).toBe(1);
    const other = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage());
    expect(tracer.startActiveSpan("a", {}, other, () => "result")).toBe("result");
  });
});

describe("OTEL_NODE_RESOURCE_DETECTORS", () => {
  const detect = (env: Record<string, string>) => Object.keys(detectResource(resources, {}, env, warn).attributes);
  it("asks nobody over the network by default", () => {
    const found = detect({ OTEL_RESOURCE_ATTRIBUTES: "k8s.pod.name=p" });
    expect(found).toEqual(
      expect.arrayContaining(["host.name", "process.pid", "k8s.pod.name", "service.name", "telemetry.distro.name"]),
    );
    expect(found).not.toContain("cloud.provider");
  });

  it("takes those that are named, and says which it does not know", () => {
    expect(detect({ OTEL_NODE_RESOURCE_DETECTORS: "os" })).toEqual(expect.arrayContaining(["os.type"]));
    expect(detect({ OTEL_NODE_RESOURCE_DETECTORS: "none" })).not.toContain("process.pid");
    expect(warnings).toEqual([]);
    expect(detect({ OTEL_NODE_RESOURCE_DETECTORS: "container,moon" })).not.toContain("process.pid");
    expect(warnings).toHaveLength(1);
  });
});
