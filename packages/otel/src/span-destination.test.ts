import { createDestinationPolicy } from "@botanu/core";
import { ROOT_CONTEXT, trace, type Attributes } from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";
import { recordClients } from "./record-clients.ts";
import { createSpanDestination } from "./span-destination.ts";

const YES = { baggage: true, trace: true };
const NO = { baggage: false, trace: false };

function decide(kind: number, attributes: Attributes, sampler = new AlwaysOnSampler()) {
  const tracer = new BasicTracerProvider({ sampler: recordClients(sampler) }).getTracer("test");
  const span = tracer.startSpan("call", { kind, attributes }, ROOT_CONTEXT);
  return createSpanDestination(createDestinationPolicy({ propagateTo: "api.partner.example" }))(
    trace.setSpan(ROOT_CONTEXT, span),
  );
}

describe("createSpanDestination", () => {
  it.each<[string, number, Attributes, object]>([
    ["a private host by url", 2, { "url.full": "http://orders.shop.svc:8080/x" }, YES],
    ["a public host by url", 2, { "url.full": "https://api.openai.com/v1" }, NO],
    ["a listed host by url", 2, { "url.full": "https://api.partner.example/" }, { baggage: true, trace: false }],
    ["the old name of the url", 2, { "http.url": "https://api.openai.com/v1" }, NO],
    ["a host by address", 2, { "server.address": "orders", "server.port": 50051 }, YES],
    ["a public host by address", 2, { "server.address": "grpc.example.com", "server.port": 443 }, NO],
    ["a loopback address of version 6", 2, { "server.address": "::1", "server.port": 80 }, YES],
    ["a url that is none, with an address", 2, { "url.full": "//?", "server.address": "orders" }, YES],
    ["a client that names no host", 2, { "rpc.system": "grpc" }, NO],
    ["an address that is none", 2, { "server.address": "a b" }, NO],
    ["a call through the AWS SDK", 2, { "rpc.system": "aws-api" }, YES],
    ["a message producer", 3, { "server.address": "kafka.example.com" }, YES],
    ["the application's own span", 0, {}, YES],
  ])("%s", (_, kind, attributes, expected) => {
    expect(decide(kind, attributes)).toEqual(expected);
  });

  it("says yes where no span is active", () => {
    expect(createSpanDestination(() => NO)(ROOT_CONTEXT)).toEqual(YES);
  });

  it("guards the clients of an unsampled trace as well", () => {
    expect(decide(2, { "url.full": "https://api.openai.com/v1" }, new AlwaysOffSampler())).toEqual(NO);
  });
});

describe("recordClients", () => {
  it("exports nothing that the sampler dropped, and keeps its description", () => {
    const exporter = new InMemorySpanExporter();
    const sampler = recordClients(new AlwaysOffSampler());
    const tracer = new BasicTracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer(
      "test",
    );
    const client = tracer.startSpan("client", { kind: 2 }, ROOT_CONTEXT);
    const server = tracer.startSpan("server", { kind: 1 }, ROOT_CONTEXT);
    expect([client.isRecording(), server.isRecording()]).toEqual([true, false]);
    expect(client.spanContext().traceFlags).toBe(0);
    client.end();
    server.end();
    expect(exporter.getFinishedSpans()).toEqual([]);
    expect(String(sampler)).toBe("AlwaysOffSampler");
  });
});
