import { extract } from "@botanu/core";
import { describe, expect, it } from "vitest";
import { EVENTS, SILENT } from "./event.fixture.ts";
import { describeEvent, type EventDescription } from "./event.ts";

const RUN = "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const BAGGAGE = { baggage: `botanu.run_id=${RUN},botanu.workflow=order,team=web` };
const WHOLE = { ...BAGGAGE, traceparent: `00-${TRACE}-b7ad6b7169203331-01`, tracestate: "other=1" };

/** What there is to read in an event: of itself, or of its one record. */
function carrierOf({ carrier, records }: EventDescription): Record<string, unknown> {
  return (records ? records[0]?.carrier : carrier) as Record<string, unknown>;
}

describe.each(Object.entries(EVENTS))("an event of %s", (_title, make) => {
  it("carries run, trace and the baggage of others", () => {
    const read = extract(carrierOf(describeEvent(make(WHOLE))), { trust: true });
    expect(read.run).toMatchObject({ runId: RUN, workflow: "order" });
    expect(read.spanContext).toMatchObject({ traceId: TRACE });
    expect(read.spanContext?.traceState?.serialize()).toBe("other=1");
    expect(read.baggage).toEqual(["team=web"]);
  });

  it("carries the run without a trace", () => {
    const read = extract(carrierOf(describeEvent(make(BAGGAGE))), { trust: true });
    expect([read.run?.runId, read.spanContext]).toEqual([RUN, undefined]);
  });

  it("survives what is forged, oversized or malformed, and has no run of it", () => {
    const hostile = [
      { baggage: "botanu.run_id=1,botanu.workflow=x" },
      { baggage: "a=1,".repeat(100_000), traceparent: "00-".repeat(10_000) },
      { baggage: "\u0000%%%=;;;,,,", traceparent: "é" },
      { __proto__: "x", baggage: "botanu.run_id=" },
    ];
    for (const fields of hostile) {
      const description = describeEvent(make(fields as Record<string, string>));
      expect(extract(carrierOf(description), { trust: true }).run).toBeUndefined();
    }
  });
});

describe("an event that carries nothing", () => {
  it.each(Object.entries(SILENT))("of %s is described all the same", (_title, event) => {
    const description = describeEvent(event);
    expect(extract(carrierOf(description) ?? {}, { trust: true })).toMatchObject({
      run: undefined,
      spanContext: undefined,
    });
  });
});

describe("what is said of an event", () => {
  it.each<[string, string, string | undefined, Record<string, unknown>]>([
    ["API Gateway REST", "http", "GET /orders/{id}", { "http.request.method": "GET", "http.route": "/orders/{id}" }],
    ["API Gateway HTTP", "http", "GET /orders/{id}", { "http.route": "/orders/{id}", "url.path": "/orders/7" }],
    ["Function URL", "http", "POST", { "http.request.method": "POST", "url.path": "/" }],
    ["WebSocket", "http", "CONNECT $connect", { "network.protocol.name": "websocket" }],
    ["SQS", "pubsub", "process orders", { "messaging.system": "aws_sqs", "messaging.destination.name": "orders" }],
    ["SNS", "pubsub", "process orders", { "messaging.system": "aws_sns" }],
    ["EventBridge", "pubsub", "process shop", { "messaging.system": "aws_eventbridge", "messaging.message.id": "e-1" }],
    ["Kinesis", "pubsub", "process orders", { "messaging.system": "aws_kinesis", "messaging.batch.message_count": 1 }],
    ["Firehose", "pubsub", "process orders", { "messaging.system": "aws_firehose" }],
    ["DynamoDB streams", "datasource", "process orders", { "faas.document.collection": "orders" }],
    ["Kafka", "pubsub", "process orders", { "messaging.system": "kafka" }],
    ["AppSync", "http", "Query.order", { "graphql.operation.name": "order" }],
    ["Cognito", "other", undefined, { "aws.cognito.trigger_source": "PreSignUp_SignUp" }],
    ["Step Functions", "other", undefined, {}],
  ])("of %s is its trigger %s and its name %s", (title, trigger, name, attributes) => {
    expect(describeEvent(EVENTS[title]?.(WHOLE))).toMatchObject({ trigger, attributes });
    expect(describeEvent(EVENTS[title]?.(WHOLE)).name).toBe(name);
  });

  it("of a schedule is a timer", () => {
    expect(describeEvent(SILENT["schedule"])).toMatchObject({
      trigger: "timer",
      attributes: { "faas.time": "2026-01-02T03:04:05Z" },
    });
  });

  it("hides what a query tells of secrets", () => {
    const event = {
      httpMethod: "GET",
      path: "/",
      queryStringParameters: { token: "s3cret", a: "1" },
      headers: { Host: "h" },
    };
    expect(describeEvent(event).attributes).toMatchObject({ "url.query": "token=REDACTED&a=1", "server.address": "h" });
  });

  it("of a direct invocation may be in its client context", () => {
    for (const clientContext of [{ custom: WHOLE }, { Custom: WHOLE }, { custom: { _botanu: WHOLE } }]) {
      const { carrier } = describeEvent({ any: 1 }, clientContext);
      expect(extract(carrier ?? {}, { trust: true }).run?.runId).toBe(RUN);
    }
  });
});

describe("no event throws", () => {
  const fail = (): never => {
    throw new Error("hostile");
  };
  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a text", "text"],
    ["a list", [1]],
    ["records that are none", { Records: [null, 1, "x", []] }],
    ["a record of no source", { Records: [{}] }],
    ["SQS with a body that is no text", { Records: [{ eventSource: "aws:sqs", body: { a: 1 } }] }],
    ["SQS with a body of 2 MB", { Records: [{ eventSource: "aws:sqs", body: `{"a":"${"x".repeat(2 << 20)}"}` }] }],
    ["SQS with a body that is cut off", { Records: [{ eventSource: "aws:sqs", body: '{"_botanu":' }] }],
    ["Kinesis without data", { Records: [{ eventSource: "aws:kinesis" }] }],
    ["Kafka without records", { eventSource: "aws:kafka", records: { t: 7 } }],
    ["headers that are a list", { httpMethod: "GET", headers: ["a"] }],
    ["a method that is a number", { httpMethod: 7, requestContext: 7 }],
    ["a prototype in JSON", JSON.parse('{"__proto__":{"httpMethod":"GET"},"Records":{"__proto__":[]}}')],
    ["members that throw", Object.defineProperty({}, "requestContext", { get: fail, enumerable: true })],
    ["a proxy that throws", new Proxy({}, { get: fail })],
  ])("of %s", (_title, event) => {
    const { carrier, records } = describeEvent(event);
    for (const each of [carrier, ...(records ?? []).map((record) => record.carrier)]) {
      expect(() => extract((each ?? {}) as Record<string, unknown>, { trust: true })).not.toThrow();
    }
  });
});
