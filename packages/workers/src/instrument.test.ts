import { extractEnvelope, setDiag } from "@botanu/core";
import { activeRun, createTracer, type ReadableSpan, setTracer, type SpanExporter, withRun } from "@botanu/tracer";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  contextOf,
  type ExecutionContext,
  forEachMessage,
  instrument,
  instrumentQueue,
  type Message,
  type MessageBatch,
  type WorkerOptions,
} from "./index.ts";

afterEach(() => {
  setDiag();
  setTracer(undefined);
});

interface Memory extends SpanExporter {
  readonly exports: ReadableSpan[][];
}

function memory(): Memory {
  const exports: ReadableSpan[][] = [];
  return {
    exports,
    export(spans, done) {
      exports.push([...spans]);
      done({ code: 0 });
    },
    shutdown: async () => undefined,
  };
}

/** A context as the runtime gives it: `waitUntil` needs its own `this`. */
class Context implements ExecutionContext {
  readonly props: unknown = {};
  readonly #work: Array<Promise<unknown>> = [];

  waitUntil(promise: Promise<unknown>): void {
    this.#work.push(promise);
  }

  passThroughOnException(): void {}

  get handed(): number {
    return this.#work.length;
  }

  async done(): Promise<void> {
    for (const promise of this.#work) await promise.catch(() => undefined);
  }
}

const ok = (_request: Request, _env?: unknown, _ctx?: ExecutionContext): Response => new Response("ok");

const request = (path = "/"): Request => new Request(`https://edge.example${path}`);

interface FakeMessage extends Message {
  settled: string[];
}

function messageOf(body: unknown, id = "m1", attempts = 1): FakeMessage {
  const settled: string[] = [];
  return {
    id,
    body,
    attempts,
    timestamp: new Date(0),
    settled,
    ack: () => void settled.push("ack"),
    retry: (options) => void settled.push(`retry ${options?.delaySeconds ?? 0}`),
  };
}

function batchOf(...messages: Message[]): MessageBatch {
  return { queue: "orders", messages, ackAll: () => undefined, retryAll: () => undefined };
}

describe("instrument", () => {
  it("has the handlers that were given, and no others", () => {
    const email = vi.fn();
    const wrapped = instrument({ email, fetch: () => new Response("ok") });
    expect(Object.keys(wrapped).toSorted()).toEqual(["email", "fetch"]);
  });

  it("leaves handlers that it does not know to their own object", async () => {
    class Worker {
      #secret = "kept";
      async email(): Promise<string> {
        return this.#secret;
      }
      fetch(_request: Request, _env?: unknown, _ctx?: ExecutionContext): Response {
        return new Response(this.#secret);
      }
    }
    const wrapped = instrument(new Worker(), { exporter: memory() });
    expect(await (wrapped.email as unknown as (...args: unknown[]) => Promise<string>)({}, {}, new Context())).toBe(
      "kept",
    );
    const ctx = new Context();
    expect(await (await wrapped.fetch(request(), {}, ctx)).text()).toBe("kept");
  });

  it("registers its export before the response is given back", async () => {
    const exporter = memory();
    const ctx = new Context();
    const wrapped = instrument({ fetch: ok }, { exporter });
    const response = wrapped.fetch(request(), {}, ctx);
    await response;
    expect(ctx.handed).toBe(1);
    await ctx.done();
    expect(exporter.exports.map((spans) => spans.length)).toEqual([1]);
  });

  it("hands a failure on as it is, even one that is no error", async () => {
    const exporter = memory();
    for (const thrown of [new TypeError("no"), "text", undefined, null]) {
      const ctx = new Context();
      const wrapped = instrument(
        {
          fetch: (_request: Request, _env?: unknown, _ctx?: ExecutionContext): Response => {
            throw thrown;
          },
        },
        { exporter, workflow: "orders" },
      );
      await expect(wrapped.fetch(request(), {}, ctx)).rejects.toBe(thrown);
      await ctx.done();
    }
    const runs = exporter.exports.flat().filter(({ name }) => name === "botanu.run/orders");
    expect(runs.map(({ status }) => status.code)).toEqual([2, 2, 2, 2]);
  });

  it("gives back what a handler gives that is no response", async () => {
    const wrapped = instrument(
      { fetch: (_request: Request, _env?: unknown, _ctx?: ExecutionContext) => undefined as unknown as Response },
      { exporter: memory(), workflow: "orders" },
    );
    expect(await wrapped.fetch(request(), {}, new Context())).toBeUndefined();
  });

  it("asks for its options once, with the bindings", async () => {
    const options = vi.fn((env: { NAME: string }): WorkerOptions => ({ serviceName: env.NAME, exporter: memory() }));
    const wrapped = instrument({ fetch: (_request: Request, _env: { NAME: string }) => new Response("ok") }, options);
    for (let time = 0; time < 3; time++) await wrapped.fetch(request(), { NAME: "edge" });
    expect(options.mock.calls).toEqual([[{ NAME: "edge" }]]);
  });

  it("goes on untraced where the bindings show that the options are wrong, and says so once", async () => {
    const errors: string[] = [];
    setDiag({ warn: () => undefined, error: (message) => void errors.push(message) });
    const wrapped = instrument({ fetch: ok }, () => ({ url: "no url" }));
    for (let time = 0; time < 2; time++)
      expect(await (await wrapped.fetch(request(), {}, new Context())).text()).toBe("ok");
    expect(errors).toEqual([expect.stringContaining("botanu is off")]);
  });

  it.each<[string, unknown]>([
    ["an empty workflow", { workflow: "" }],
    ["trust that is no rule", { trust: 1 }],
    ["an empty workflow of a trigger", { scheduled: { workflow: "" } }],
    ["trust of a queue that is no rule", { queue: { trust: "all" } }],
    ["a host rule that is none", { traceTo: [7] }],
    ["a URL that is none", { url: "collector" }],
  ])("refuses %s at set-up", (_, options) => {
    expect(() => instrument({}, options as WorkerOptions)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(INVALID_OPTION|OTLP_INVALID_URL)$/) as string }),
    );
  });

  it.each<[string, SpanExporter]>([
    [
      "throws",
      {
        export: () => {
          throw new Error("no");
        },
        shutdown: async () => undefined,
      },
    ],
    ["fails", { export: (_spans, done) => done({ code: 1 }), shutdown: async () => undefined }],
  ])("is not disturbed by an exporter that %s", async (_, exporter) => {
    const ctx = new Context();
    const wrapped = instrument({ fetch: ok }, { exporter, workflow: "orders" });
    expect(await (await wrapped.fetch(request(), {}, ctx)).text()).toBe("ok");
    await ctx.done();
  });

  it("does not pile up on a context that serves many events", async () => {
    const ctx = new Context();
    const wrapped = instrument(
      {
        fetch: (_request: Request, _env: unknown, given: ExecutionContext) => {
          given.waitUntil(Promise.resolve());
          return new Response("ok");
        },
      },
      { exporter: memory() },
    );
    for (let time = 0; time < 5000; time++) await wrapped.fetch(request(), {}, ctx);
    // The application's promise and one export each: a chain of wrappers would overflow the stack.
    expect(ctx.handed).toBe(10_000);
  });

  it("works with a context that cannot be changed", async () => {
    const exporter = memory();
    const handed: Array<Promise<unknown>> = [];
    const ctx = Object.freeze({
      waitUntil: (promise: Promise<unknown>) => void handed.push(promise),
      passThroughOnException: () => undefined,
      props: {},
    });
    const wrapped = instrument({ fetch: ok }, { exporter });
    await wrapped.fetch(request(), {}, ctx);
    await Promise.all(handed);
    expect(exporter.exports).toHaveLength(1);
  });
});

describe("forEachMessage", () => {
  it("settles each message by how its call ended, in order, and never rejects", async () => {
    const messages = ["fine", "bad", "asked again", "acknowledged and bad"].map((body, index) =>
      messageOf({ body }, `m${index}`),
    );
    await forEachMessage<{ body: string }>(batchOf(...messages) as MessageBatch<{ body: string }>, async (message) => {
      if (message.body.body === "asked again") return message.retry({ delaySeconds: 60 });
      if (message.body.body.startsWith("acknowledged")) message.ack();
      if (message.body.body.endsWith("bad")) throw new Error("bad");
    });
    expect(messages.map(({ settled }) => settled)).toEqual([["ack"], ["retry 0"], ["retry 60"], ["ack"]]);
  });

  it("joins the run of a message without any tracer too, and takes the envelope out of the body", async () => {
    const sent: unknown[] = [];
    const queue = instrumentQueue({ send: async (body: object) => void sent.push(body) }, "orders");
    setTracer(createTracer({ exporter: memory() }));
    const runId = await withRun({ workflow: "orders" }, async (run) => {
      await queue.send({ id: 7 });
      return run.runId;
    });
    const batch = batchOf(messageOf(sent[0]), messageOf({ id: 8 }, "m2"));
    const seen: unknown[] = [];
    await forEachMessage(batch, (message) => void seen.push([message.body, activeRun()?.runId]));
    expect(seen).toEqual([
      [{ id: 7 }, runId],
      [{ id: 8 }, undefined],
    ]);
  });

  it.each<[string, unknown]>([
    ["text", "_botanu"],
    ["nothing", null],
    ["a list", [1, 2]],
    ["a number", 7],
    ["an envelope that is none", { _botanu: "hello" }],
    ["an envelope of rubbish", { _botanu: { baggage: "=,;;%ZZ", traceparent: "00-zz" } }],
    ["a frozen object", Object.freeze({ _botanu: { baggage: "botanu.run_id=no" } })],
  ])("takes a body of %s as it comes", async (_, body) => {
    const exporter = memory();
    const message = messageOf(body);
    const ctx = new Context();
    const wrapped = instrument(
      {
        queue: (batch: MessageBatch, _env?: unknown, _ctx?: ExecutionContext) => forEachMessage(batch, () => undefined),
      },
      { exporter },
    );
    await wrapped.queue(batchOf(message), {}, ctx);
    await ctx.done();
    expect(message.settled).toEqual(["ack"]);
    expect(exporter.exports.flat()).toHaveLength(2);
  });

  it("starts a run for each message that has none, where the queue names a workflow", async () => {
    const exporter = memory();
    const ctx = new Context();
    const runs: unknown[] = [];
    const wrapped = instrument(
      {
        queue: (batch: MessageBatch, _env?: unknown, _ctx?: ExecutionContext) =>
          forEachMessage(batch, () => void runs.push(activeRun()?.eventId)),
      },
      { exporter, queue: { workflow: "intake", eventId: ({ id }) => id, trust: false } },
    );
    await wrapped.queue(batchOf(messageOf({}, "m1"), messageOf({}, "m2")), {}, ctx);
    await ctx.done();
    expect(runs).toEqual(["m1", "m2"]);
    expect(exporter.exports).toHaveLength(1);
    expect(exporter.exports[0]?.filter(({ name }) => name === "botanu.run/intake")).toHaveLength(2);
  });

  it("makes the context of a message reachable by the message", async () => {
    const wrapped = instrument(
      {
        queue: (batch: MessageBatch, _env?: unknown, _ctx?: ExecutionContext) =>
          forEachMessage(batch, (message, context) => expect(contextOf(message)).toBe(context)),
      },
      { exporter: memory() },
    );
    const message = messageOf({});
    await wrapped.queue(batchOf(message), {}, new Context());
    expect(message.settled).toEqual(["ack"]);
  });
});

describe("instrumentQueue", () => {
  it("leaves the given body as it is and sends a copy with the context of the send", async () => {
    const sent: object[] = [];
    const exporter = memory();
    setTracer(createTracer({ exporter }));
    const body = { id: 7 };
    const queue = instrumentQueue({ send: async (message: object) => void sent.push(message) }, "orders");
    const run = await withRun({ workflow: "orders", customerId: "acme" }, async (active) => {
      await queue.send(body);
      return active;
    });
    expect(body).toEqual({ id: 7 });
    const found = extractEnvelope(sent[0], { trust: true });
    expect(found.run).toMatchObject({ runId: run.runId, customerId: "acme" });
    await Promise.resolve();
    const span = exporter.exports.flat().find(({ name }) => name === "send orders");
    expect(found.spanContext?.spanId).toBe(span?.spanContext().spanId);
  });

  it("sends what is no plain object as it is, and warns once", async () => {
    const warnings: string[] = [];
    setDiag({ warn: (message) => void warnings.push(message), error: () => undefined });
    const sent: unknown[] = [];
    const queue = instrumentQueue({ send: async (message: unknown) => void sent.push(message) }, "orders");
    const bodies = ["text", 7, null, [1], new Date(0), new Map()];
    for (const body of bodies) await queue.send(body);
    expect(sent).toEqual(bodies);
    expect(warnings).toHaveLength(1);
  });

  it("hands on a failure and records it", async () => {
    const failure = new Error("queue is full");
    const exporter = memory();
    const queue = instrumentQueue({ send: async (_body: object) => Promise.reject(failure) }, "orders");
    setTracer(createTracer({ exporter }));
    await expect(withRun({ workflow: "orders" }, () => queue.send({}))).rejects.toBe(failure);
    expect(exporter.exports.flat().find(({ name }) => name === "send orders")?.status.code).toBe(2);
  });

  it("passes options on and offers what the binding offers", async () => {
    const send = vi.fn(async (_body: object, _options?: object) => undefined);
    const sendBatch = vi.fn(
      async (_messages: Iterable<{ body: object; delaySeconds?: number }>, _options?: object) => undefined,
    );
    expect(Object.keys(instrumentQueue({ send }, "orders"))).toEqual(["send"]);
    const queue = instrumentQueue({ send, sendBatch }, "orders");
    await queue.send({}, { delaySeconds: 5 });
    await queue.sendBatch(new Set([{ body: { id: 1 }, delaySeconds: 9 }]), { delaySeconds: 7 });
    expect(send.mock.calls[0]?.[1]).toEqual({ delaySeconds: 5 });
    expect(sendBatch.mock.calls[0]).toEqual([
      [{ body: { id: 1, _botanu: expect.anything() as object }, delaySeconds: 9 }],
      { delaySeconds: 7 },
    ]);
  });
});
