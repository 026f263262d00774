// Calls of real AWS SDK clients, as they arrive at an endpoint on loopback.

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { KinesisClient, PutRecordCommand, PutRecordsCommand } from "@aws-sdk/client-kinesis";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { PublishBatchCommand, PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { SendMessageBatchCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { extract, setDiag } from "@botanu/core";
import { injectAws } from "@botanu/lambda";
import { createTracer, type ReadableSpan, setTracer, withRun } from "@botanu/tracer";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

interface Call {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let server: Server;
let kinesis: Http2Server;
let settings: object;
let calls: Call[] = [];
let spans: ReadableSpan[] = [];
let warnings: string[] = [];

beforeAll(async () => {
  const answer = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      calls.push({ headers: request.headers, body });
      const isXml = body.startsWith("Action=");
      const result = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
      response.setHeader("content-type", isXml ? "text/xml" : "application/x-amz-json-1.0");
      (response as ServerResponse).end(isXml ? result : "{}");
    });
  };
  server = createServer(answer);
  // The client of Kinesis speaks HTTP/2.
  kinesis = createHttp2Server(answer);
  for (const each of [server, kinesis]) await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
  settings = {
    endpoint: endpointOf(server),
    region: "eu-central-1",
    credentials: { accessKeyId: "AKIA", secretAccessKey: "s" },
    maxAttempts: 1,
  };
});
afterAll(() => {
  server.close().closeAllConnections();
  kinesis.close();
});

function endpointOf(each: Server | Http2Server): string {
  return `http://127.0.0.1:${(each.address() as AddressInfo).port}`;
}

beforeEach(() => {
  calls = [];
  spans = [];
  warnings = [];
  setDiag({ warn: (message) => warnings.push(message), error: (message) => warnings.push(message) });
  const onEnd = (span: ReadableSpan): void => void spans.push(span);
  setTracer(
    createTracer({ processors: [{ onStart() {}, onEnd, forceFlush: async () => {}, shutdown: async () => {} }] }),
  );
});
afterEach(() => {
  setTracer(undefined);
  setDiag();
});

/** Makes a call in a run, and gives the run's id and what arrived. */
async function inRun(call: () => Promise<unknown>): Promise<{ runId: string; call: Call }> {
  const runId = await withRun({ workflow: "order", customerId: "acme" }, async (run) => {
    // Answers are of no service's form for every command: what was sent is what counts.
    await call().catch(() => undefined);
    return run.runId;
  });
  expect(calls).toHaveLength(1);
  const [received] = calls as [Call];
  expect(received.headers["authorization"]).not.toMatch(/traceparent|baggage|tracestate/);
  for (const name of ["traceparent", "baggage", "tracestate"]) expect(received.headers).not.toHaveProperty(name);
  return { runId, call: received };
}

function runIdIn(carrier: unknown): string | undefined {
  return extract(carrier as Record<string, unknown>, { trust: true }).run?.runId;
}

const attribute = { DataType: "String", StringValue: "x" } as const;
const many = (count: number): Record<string, typeof attribute> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, attribute]));

describe("SQS", () => {
  const send = (input: object): Promise<unknown> =>
    injectAws(new SQSClient(settings)).send(
      new SendMessageCommand({ QueueUrl: "https://sqs/1/orders", MessageBody: "x", ...input }),
    );

  it("carries the run in attributes, in a producer span that is their sender", async () => {
    const input = Object.freeze({ MessageAttributes: Object.freeze(many(2)) });
    const { runId, call } = await inRun(() => send(input));
    const { MessageAttributes: attributes } = JSON.parse(call.body) as {
      MessageAttributes: Record<string, { StringValue: string }>;
    };
    expect(runIdIn(attributes)).toBe(runId);
    expect(Object.keys(attributes).toSorted()).toEqual(["a0", "a1", "baggage", "traceparent", "tracestate"]);
    const span = spans.find(({ name }) => name === "send orders");
    expect(span).toMatchObject({ kind: 3, attributes: { "messaging.system": "aws_sqs", "botanu.run_id": runId } });
    expect(attributes["traceparent"]?.StringValue).toContain(span?.spanContext().spanId);
  });

  it.each([
    [7, ["baggage", "traceparent", "tracestate"]],
    [8, ["baggage", "traceparent"]],
    [9, ["baggage"]],
    [10, []],
  ])("beside %i attributes carries %j", async (count, names) => {
    const { call } = await inRun(() => send({ MessageAttributes: many(count) }));
    const { MessageAttributes: attributes } = JSON.parse(call.body) as { MessageAttributes: object };
    expect(Object.keys(attributes).filter((name) => !/^a\d/.test(name))).toEqual(names);
    expect(warnings).toEqual(count === 10 ? ["no room for the run in a message of SQS"] : []);
  });

  it("never makes a message too large", async () => {
    const { call } = await inRun(() => send({ MessageBody: "x".repeat(262_100) }));
    expect(JSON.parse(call.body)).not.toHaveProperty("MessageAttributes.baggage");
    expect(warnings).toHaveLength(1);
  });

  it("carries the run in each message of a batch", async () => {
    const Entries = [1, 2].map((id) => ({ Id: `${id}`, MessageBody: "x" }));
    const client = injectAws(injectAws(new SQSClient(settings)));
    const { runId, call } = await inRun(() =>
      client.send(new SendMessageBatchCommand({ QueueUrl: "https://sqs/1/q", Entries })),
    );
    const sent = (JSON.parse(call.body) as { Entries: { MessageAttributes: object }[] }).Entries;
    expect(sent.map(({ MessageAttributes }) => runIdIn(MessageAttributes))).toEqual([runId, runId]);
    expect(spans.filter(({ name }) => name === "send q")).toHaveLength(1);
    expect(Entries).toEqual([1, 2].map((id) => ({ Id: `${id}`, MessageBody: "x" })));
  });
});

describe("SNS", () => {
  it.each([
    ["a message", new PublishCommand({ TopicArn: "arn:aws:sns:eu:1:orders", Message: "x" })],
    [
      "each message of a batch",
      new PublishBatchCommand({
        TopicArn: "arn:aws:sns:eu:1:orders",
        PublishBatchRequestEntries: [{ Id: "1", Message: "x" }],
      }),
    ],
  ])("carries the run in %s", async (_title, command) => {
    const { runId, call } = await inRun(() => injectAws(new SNSClient(settings)).send(command as PublishCommand));
    expect(decodeURIComponent(decodeURIComponent(call.body))).toContain(`botanu.run_id=${runId},botanu.workflow=order`);
    expect(spans.map(({ name }) => name)).toContain("send orders");
  });
});

describe("bodies of JSON", () => {
  it("of EventBridge carry the run in their detail", async () => {
    const Entries = [
      { Source: "shop", DetailType: "placed", Detail: '{"id":7}' },
      { Source: "shop", DetailType: "x", Detail: "no JSON" },
    ];
    const { runId, call } = await inRun(() =>
      injectAws(new EventBridgeClient(settings)).send(new PutEventsCommand({ Entries })),
    );
    const [first, second] = (JSON.parse(call.body) as { Entries: { Detail: string }[] }).Entries;
    const detail = JSON.parse(first?.Detail ?? "") as { id: number; _botanu: object };
    expect([detail.id, runIdIn(detail._botanu), second?.Detail]).toEqual([7, runId, "no JSON"]);
  });

  it("of Step Functions carry the run in their input", async () => {
    const command = new StartExecutionCommand({ stateMachineArn: "arn:aws:states:eu:1:stateMachine:m" });
    const { runId, call } = await inRun(() => injectAws(new SFNClient(settings)).send(command));
    const input = JSON.parse((JSON.parse(call.body) as { input: string }).input) as { _botanu: object };
    expect(runIdIn(input._botanu)).toBe(runId);
    expect(spans.map(({ name }) => name)).toContain("StartExecution m");
  });

  it.each([
    ["a record", new PutRecordCommand({ StreamName: "s", PartitionKey: "k", Data: Buffer.from('{"id":7}') })],
    [
      "each record of several",
      new PutRecordsCommand({ StreamName: "s", Records: [{ PartitionKey: "k", Data: Buffer.from('{"id":7}') }] }),
    ],
  ])("of Kinesis carry the run in %s", async (_title, command) => {
    const client = injectAws(new KinesisClient({ ...settings, endpoint: endpointOf(kinesis) }));
    const { runId, call } = await inRun(() => client.send(command as PutRecordCommand));
    client.destroy();
    const { Data, Records } = JSON.parse(call.body) as { Data?: string; Records?: { Data: string }[] };
    const sent = JSON.parse(Buffer.from(Data ?? Records?.[0]?.Data ?? "", "base64").toString()) as {
      id: number;
      _botanu: object;
    };
    expect([sent.id, runIdIn(sent._botanu)]).toEqual([7, runId]);
  });
});

describe("invocations of functions", () => {
  const invoke = (input: object): Promise<unknown> =>
    injectAws(new LambdaClient(settings)).send(new InvokeCommand({ FunctionName: "f", ...input }));

  it("carry the run in the client context, beside what is in it", async () => {
    const ClientContext = Buffer.from('{"custom":{"mine":1},"env":{"a":"b"}}').toString("base64");
    const { runId, call } = await inRun(() => invoke({ ClientContext }));
    const sent = JSON.parse(Buffer.from(String(call.headers["x-amz-client-context"]), "base64").toString()) as {
      custom: Record<string, unknown>;
      env: object;
    };
    expect([runIdIn(sent.custom), sent.custom["mine"], sent.env]).toEqual([runId, 1, { a: "b" }]);
  });

  it("that are asynchronous carry it in the payload", async () => {
    const { runId, call } = await inRun(() => invoke({ InvocationType: "Event", Payload: '{"id":7}' }));
    const sent = JSON.parse(call.body) as { id: number; _botanu: object };
    expect([sent.id, runIdIn(sent._botanu)]).toEqual([7, runId]);
  });

  it("whose client context is full are left alone, with one warning", async () => {
    const ClientContext = Buffer.from(JSON.stringify({ custom: { mine: "x".repeat(2600) } })).toString("base64");
    const { call } = await inRun(() => invoke({ ClientContext }));
    expect(call.headers["x-amz-client-context"]).toBe(ClientContext);
    expect(warnings).toEqual(["no room for the run in a client context"]);
  });
});
