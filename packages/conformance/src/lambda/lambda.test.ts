// The Lambda adapter under AWS's own runtime clients, on a process that is stopped whenever the platform would freeze it.

import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";

import type { SunkSpan } from "../otlp-sink.ts";
import { LambdaHost, type LambdaHostOptions } from "./lambda-host.ts";

const HANDLERS = fileURLToPath(new URL("handlers.fixture.ts", import.meta.url));
const PROBE = fileURLToPath(new URL("probe.ts", import.meta.url));
const RUN = "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2";
const OTHER_RUN = "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c3";
const CONTEXT = { baggage: `botanu.run_id=${RUN},botanu.workflow=order` };
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const WITH_TRACE = { ...CONTEXT, traceparent: `00-${TRACE}-b7ad6b7169203331-01` };

const open: LambdaHost[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((host) => host.close()));
});

async function start(name: string, options: Partial<LambdaHostOptions> = {}): Promise<LambdaHost> {
  const handler = name.includes("/") ? name : `${HANDLERS}#${name}`;
  const host = await LambdaHost.start({ handler, ...options });
  open.push(host);
  return host;
}

function named(spans: readonly SunkSpan[], name: string): SunkSpan {
  const found = spans.find((span) => span.name === name);
  if (!found) throw new Error(`no ${name} in ${spans.map((span) => span.name).join()}`);
  return found;
}

describe.each([4, 3] as const)("under runtime client %i", (client) => {
  it.each<[string, unknown]>([
    ["async", { twice: 14 }],
    // Client 3 answers null when a handler neither calls back nor gives a promise.
    ["sync", client === 4 ? { twice: 14 } : null],
    ["stream", "ab7"],
    ["httpStream", { statusCode: 201, headers: { "x-own": "1" }, body: "created" }],
    ...["callback", "succeed"].slice(client === 3 ? 0 : 2).map((kind) => [kind, { twice: 14 }] as [string, unknown]),
  ])("a handler of kind %s gives what it gives without us", async (kind, result) => {
    for (const form of ["Bare", "Traced"]) {
      const host = await start(`${kind}${form}`, { client });
      for (let time = 0; time < 2; time++) {
        const invoked = await host.invoke({ n: 7 });
        expect([form, invoked.result, invoked.error]).toEqual([form, result, undefined]);
        expect(invoked.spans.length > 0).toBe(form === "Traced");
        if (kind === "callback" && form === "Traced") {
          const { startTimeUnixNano: from, endTimeUnixNano: to } = named(invoked.spans, "orders") as never;
          expect(Number(BigInt(to) - BigInt(from)) / 1e6).toBeGreaterThan(18);
        }
      }
    }
  });

  it.each(["throw", "reject", "streamError", ...(client === 3 ? ["callbackError"] : [])])(
    "a handler that fails by %s fails the same way, and its span says so",
    async (kind) => {
      const bare = await (await start(`${kind}Bare`, { client })).invoke({});
      const { error, result, spans } = await (await start(`${kind}Traced`, { client })).invoke({});
      expect([error?.errorType, error?.errorMessage, result]).toEqual([
        bare.error?.errorType,
        bare.error?.errorMessage,
        bare.result,
      ]);
      expect(error?.errorType).toBe("RangeError");
      expect(named(spans, "botanu.run/order")).toMatchObject({ status: { code: 2, message: "too many" } });
      expect(named(spans, "orders").status.code).toBe(2);
    },
  );

  it("delivers every span before the freeze, and answers as fast as without us", async () => {
    const bare = await start("asyncBare", { client, backendDelayMillis: 100 });
    const median = async (host: LambdaHost): Promise<{ millis: number; runs: number }> => {
      const millis: number[] = [];
      let runs = 0;
      for (let time = 0; time < 12; time++) {
        const { responseMs, spans } = await host.invoke({ n: 7 });
        millis.push(responseMs);
        runs += spans.filter(({ name }) => name === "botanu.run/order").length;
      }
      return { millis: millis.toSorted((a, b) => a - b)[6] ?? 0, runs };
    };
    const { millis: plain } = await median(bare);
    for (const remote of [true, false]) {
      const { millis, runs } = await median(await start("asyncTraced", { client, backendDelayMillis: 100, remote }));
      expect(runs).toBe(12);
      expect(millis - plain).toBeLessThan(15);
    }
  });
});

describe("flushing", () => {
  it("is by an extension for a receiver elsewhere, and holds the freeze until it has answered", async () => {
    const host = await start("told", { remote: true, backendDelayMillis: 150 });
    const { responseMs, billedMs } = await host.invoke({});
    expect(host.api.extensions).toEqual([["INVOKE"]]);
    expect(responseMs).toBeLessThan(150);
    expect(billedMs).toBeGreaterThan(145);
  });

  it("needs no extension for a receiver on this machine", async () => {
    const host = await start("told");
    expect((await host.invoke({})).spans).toHaveLength(3);
    expect(host.api.extensions).toEqual([]);
  });

  it("ends open spans as timed out before the function is", async () => {
    const host = await start("told", { remote: true });
    const { error, spans } = await host.invoke({ hang: true, order: "o-7" }, { timeoutMillis: 600 });
    expect(error?.errorType).toBe("Sandbox.Timedout");
    const run = named(spans, "botanu.run/order");
    expect(named(spans, "botanu.step/wait").status).toEqual({ code: 2, message: "timeout" });
    expect(run.attributes["botanu.event_id"]).toBe("o-7");
    expect(run.events.at(-1)).toMatchObject({ name: "botanu.run.completed" });
    expect(JSON.stringify(run.events)).toContain('"timeout"');
    expect((await host.invoke({})).result).toMatchObject({ statusCode: 200 });
  });

  it("keeps what a receiver did not take for the next invocation", async () => {
    const host = await start("told");
    host.sink.failNext(1);
    expect((await host.invoke({ order: "o-1" })).spans).toEqual([]);
    const runs = (await host.invoke({ order: "o-2" })).spans.filter(({ name }) => name === "botanu.run/order");
    expect(runs.map(({ attributes }) => attributes["botanu.event_id"])).toEqual(["o-1", "o-2"]);
  });

  it("tries once more with what was kept when the platform ends the environment", async () => {
    const host = await start("told", { remote: true });
    host.sink.failNext(1);
    expect((await host.invoke({ order: "o-1" })).spans).toEqual([]);
    await host.shutdown();
    expect(host.sink.spans.map(({ name }) => name)).toContain("botanu.run/order");
  });

  it("never fails or delays a function whose receiver is not there", async () => {
    const host = await start("told", { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" } });
    for (let time = 0; time < 3; time++) expect((await host.invoke({})).result).toMatchObject({ statusCode: 200 });
  });

  it("leaves a function that ends its own process to the platform", async () => {
    const host = await start("told");
    expect((await host.invoke({ exit: true })).error?.errorType).toBe("Runtime.ExitError");
    expect((await host.invoke({})).result).toMatchObject({ statusCode: 200 });
  });
});

describe("a handler", () => {
  it("keeps what it is, and declares nothing", async () => {
    const host = await start("identity");
    expect((await host.invoke({})).result).toEqual({ length: 0, name: "named", mark: 7, extra: true });
  });

  it("keeps a thousand invocations at once apart", { timeout: 60_000 }, async () => {
    const host = await start("interleaved", { env: { AWS_LAMBDA_NODEJS_WORKER_COUNT: "1" } });
    expect((await host.invoke({}, { timeoutMillis: 30_000 })).result).toEqual({ wrong: 0, runs: 1000 });
  });

  it("keeps invocations apart that share a process, as managed instances let them", async () => {
    const env = { AWS_LAMBDA_MAX_CONCURRENCY: "8", AWS_LAMBDA_NODEJS_WORKER_COUNT: "1" };
    const host = await start("told", { env, freeze: false, remote: true });
    await host.initialize();
    const orders = Array.from({ length: 40 }, (_, index) => `o-${index}`);
    const answers = await Promise.all(orders.map((order) => host.api.invoke({ order })));
    expect(answers.map(({ result }) => (result as { run: { eventId: string } }).run.eventId)).toEqual(orders);
    await host.sink.until(() => host.sink.spans.length === 3 * orders.length);
    const pairs = new Set(
      host.sink.spans.map(({ traceId, attributes }) => `${traceId} ${String(attributes["botanu.run_id"])}`),
    );
    expect(pairs.size).toBe(orders.length);
    expect(host.api.extensions).toEqual([]);
  });

  it("is one run over all invocations of an execution", async () => {
    const host = await start(PROBE);
    const durable = {
      DurableExecutionArn: "arn:aws:lambda:eu:1:function:f:7/durable-execution/a/b",
      InitialExecutionState: {},
    };
    const states = { Execution: { Id: "arn:aws:states:eu:1:execution:m:e" } };
    const ids: unknown[] = [];
    for (const event of [durable, durable, states, { _botanu: { executionArn: states.Execution.Id } }]) {
      ids.push(((await host.invoke(event)).result as { run: { runId: string } }).run.runId);
    }
    expect(ids[0]).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(ids).toEqual([ids[0], ids[0], ids[2], ids[2]]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it("says what the conventions ask for", async () => {
    const host = await start("told");
    const http = {
      version: "2.0",
      routeKey: "GET /orders/{id}",
      rawPath: "/orders/7",
      rawQueryString: "token=s3cret&a=1",
      headers: { host: "api.example", "x-forwarded-proto": "https", "user-agent": "curl" },
      requestContext: { http: { method: "GET", path: "/orders/7" } },
      status: 503,
    };
    const arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders:live";
    const { spans } = await host.invoke(http, {
      functionArn: arn,
      traceId: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1`,
    });
    const server = named(spans, "GET /orders/{id}");
    expect(server).toMatchObject({
      kind: 2,
      status: { code: 2 },
      links: [{ traceId: "5759e988bd862e3fe1be46a994272793", spanId: "53995c3f42cd8ad8" }],
      attributes: {
        "faas.trigger": "http",
        "faas.coldstart": true,
        "faas.invocation_id": expect.any(String),
        "aws.lambda.invoked_arn": arn,
        "cloud.account.id": "123456789012",
        "cloud.resource_id": arn.replace("live", "7"),
        "http.request.method": "GET",
        "http.route": "/orders/{id}",
        "http.response.status_code": "503",
        "url.path": "/orders/7",
        "url.query": "token=REDACTED&a=1",
        "server.address": "api.example",
        "user_agent.original": "curl",
      },
      resource: {
        "faas.name": "orders",
        "faas.version": "7",
        "faas.max_memory": "536870912",
        "cloud.platform": "aws_lambda",
      },
    });
    expect(named((await host.invoke(http)).spans, "GET /orders/{id}").attributes["faas.coldstart"]).toBe(false);
  });
});

describe("batches", () => {
  const message = (id: string, body: string, fields: object = {}, queue = "orders"): object => ({
    messageId: id,
    body,
    eventSource: "aws:sqs",
    eventSourceARN: `arn:aws:sqs:eu-central-1:123456789012:${queue}`,
    attributes: {},
    messageAttributes: Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, { stringValue: value as string, dataType: "String" }]),
    ),
  });

  it("have a link and a consumer span per record, each in its own run", async () => {
    const host = await start("batch", {});
    const other = { ...WITH_TRACE, baggage: WITH_TRACE.baggage.replace(RUN, OTHER_RUN) };
    const { result, spans } = await host.invoke({
      Records: [message("m1", "x", WITH_TRACE), message("m2", "fail", other)],
    });
    expect(result).toEqual({ batchItemFailures: [{ itemIdentifier: "m2" }] });
    const [outer, ...records] = spans
      .filter(({ kind }) => kind === 5)
      .toSorted((a, b) => (b.links?.length ?? 0) - (a.links?.length ?? 0));
    expect(outer).toMatchObject({ name: "process orders", links: [{ traceId: TRACE }, { traceId: TRACE }] });
    expect(outer?.attributes).not.toHaveProperty("botanu.run_id");
    expect(outer?.attributes).toMatchObject({
      "messaging.system": "aws_sqs",
      "messaging.batch.message_count": "2",
      "botanu.batch.failures": "1",
    });
    expect(records.map(({ attributes }) => attributes["botanu.run_id"]).toSorted()).toEqual([RUN, OTHER_RUN]);
    expect(records.every(({ parentSpanId }) => parentSpanId === outer?.spanId)).toBe(true);
  });

  it("are active in the run that all records share", async () => {
    const host = await start(PROBE);
    const { result } = await host.invoke({ Records: [message("m1", "x", CONTEXT), message("m2", "x", CONTEXT)] });
    expect(result).toMatchObject({ run: { runId: RUN }, records: [{ runId: RUN }, { runId: RUN }] });
  });

  it("of a FIFO queue stop at the first failure, and all that follows comes again", async () => {
    const host = await start("batch");
    const records = ["ok", "fail", "ok"].map((body, index) => message(`m${index}`, body, {}, "orders.fifo"));
    const { result, spans } = await host.invoke({ Records: records });
    expect(result).toEqual({ batchItemFailures: [{ itemIdentifier: "m1" }, { itemIdentifier: "m2" }] });
    expect(spans.filter(({ name }) => name === "botanu.run/order")).toHaveLength(2);
  });
});
