import { readFile } from "node:fs/promises";
import { createRun, ROOT_CONTEXT, RUN_ID, type RunContext, setRun, withContext } from "@botanu/core";
import { transform } from "esbuild";
import { beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { recordEachTest } from "../test/recording.ts";
import type { Order, OrdersClass } from "../test/decorated-orders.ts";
import { activeRun, withRun } from "./run.ts";
import { botanuWorkflow } from "./workflow.ts";

const order: Order = { id: "o-1", customer: "acme" };
const recorder = recordEachTest();

function errorOf(code: string, message: RegExp): Error {
  return expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error;
}

describe("a wrapped function", () => {
  it("runs as the workflow, with ids from its arguments", () => {
    const options = {
      eventId: (o: Order) => o.id,
      customerId: (o: Order, n: number) => `${o.customer}-${n}`,
      tenantId: "eu",
      environment: "test",
      deadline: (_: Order, n: number) => 1_900_000_000_000 + n,
    };
    const place = botanuWorkflow("place_order", options, (o: Order, n: number) => ({ o, n, run: activeRun() }));
    const { o, n, run } = place(order, 3);
    expect([o, n]).toEqual([order, 3]);
    expect(run).toMatchObject({
      workflow: "place_order",
      eventId: "o-1",
      customerId: "acme-3",
      tenantId: "eu",
      environment: "test",
      deadline: 1_900_000_000_003,
    });
    expect(recorder.spans.map((span) => span.name)).toEqual(["botanu.run/place_order"]);
    expect(recorder.spans[0]?.attributes).toMatchObject({ [RUN_ID]: run?.runId, "botanu.event_id": "o-1" });
    expect(place(order, 4).run?.runId).not.toBe(run?.runId);
  });

  it("gets its this, and so do the readers", () => {
    const service = {
      prefix: "s-",
      run: botanuWorkflow(
        "w",
        {
          eventId(this: { prefix: string }, o: Order) {
            return this.prefix + o.id;
          },
        },
        function (this: { prefix: string }, o: Order) {
          return [this.prefix, o.id, activeRun()?.eventId];
        },
      ),
    };
    expect(service.run(order)).toEqual(["s-", "o-1", "s-o-1"]);
  });

  it("is the same function to all that looks at it", () => {
    const key = Symbol("key");
    function original(_a: string, _b: string): void {}
    const fn = Object.assign(original, { version: 2, [key]: "kept" });
    const wrapped = botanuWorkflow("w", {}, fn);
    expect(wrapped.name).toBe("original");
    expect(wrapped).toHaveLength(2);
    expect([wrapped.version, wrapped[key]]).toEqual([2, "kept"]);
    expect(Reflect.ownKeys(wrapped)).toEqual(Reflect.ownKeys(fn));
    fn.version = 3;
    expect(wrapped.version).toBe(3);
    expect(typeof wrapped).toBe("function");
    expectTypeOf(wrapped).toEqualTypeOf(fn);
    const tag = (value: unknown): string => Object.prototype.toString.call(value);
    expect(tag(botanuWorkflow("w", {}, async () => 1))).toBe("[object AsyncFunction]");
    expect(tag(botanuWorkflow("w", {}, function* () {}))).toBe("[object GeneratorFunction]");
    expect(tag(botanuWorkflow("w", {}, async function* () {}))).toBe("[object AsyncGeneratorFunction]");
  });

  it("still makes instances", () => {
    class Ticket {
      readonly id: string;

      constructor(id: string) {
        this.id = id;
      }
    }
    const Wrapped = botanuWorkflow("w", {}, Ticket as unknown as (id: string) => Ticket) as unknown as typeof Ticket;
    expect(new Wrapped("t")).toBeInstanceOf(Ticket);
    expect(recorder.spans).toHaveLength(0);
  });

  it("keeps the kind of its result", async () => {
    expect(botanuWorkflow("w", {}, () => 1)()).toBe(1);
    expect(await botanuWorkflow("w", {}, async () => 2)()).toBe(2);
    expect([
      ...botanuWorkflow("w", {}, function* () {
        yield activeRun()?.workflow;
      })(),
    ]).toEqual(["w"]);
    const seen: unknown[] = [];
    for await (const each of botanuWorkflow("w", {}, async function* () {
      yield activeRun()?.workflow;
    })())
      seen.push(each);
    expect(seen).toEqual(["w"]);
    expect(recorder.spans).toHaveLength(4);
  });

  it("passes on what is thrown", async () => {
    const error = new Error("no");
    const sync = botanuWorkflow("w", {}, () => {
      throw error;
    });
    expect(() => sync()).toThrow(error);
    await expect(
      botanuWorkflow("w", {}, async () => {
        throw error;
      })(),
    ).rejects.toBe(error);
    expect(recorder.spans.map((span) => span.status.code)).toEqual([2, 2]);
  });

  it("nests, joins and starts runs as withRun does", () => {
    const inner = botanuWorkflow("inner", {}, () => activeRun());
    const nesting = botanuWorkflow("inner", { newRun: true }, () => activeRun());
    const nested = withRun({ workflow: "outer" }, (run) => [run.runId, inner()?.parentRunId]);
    expect(nested[0]).toBe(nested[1]);
    const sent = createRun({ workflow: "theirs" });
    const context = setRun(ROOT_CONTEXT, sent);
    expect(withContext(context, inner)).toBe(sent);
    expect(withContext(context, nesting)).toMatchObject({ workflow: "inner", parentRunId: sent.runId });
  });

  it("reads how a run ended from the result", () => {
    botanuWorkflow("w", { status: (left) => (left === 0 ? "success" : "partial") }, () => 2)();
    expect(recorder.spans[0]?.events.at(-1)?.attributes?.["status"]).toBe("partial");
  });
});

describe("readers of ids", () => {
  const fail = (): never => {
    throw new Error("reader");
  };
  it.each<[string, () => unknown]>([
    ["throws", fail],
    ["gives a boolean", () => true],
    ["gives an object", () => ({ id: "o" })],
    ["is asynchronous", async () => "late"],
    ["rejects", async () => fail()],
  ])("a reader that %s leaves its value out of a synchronous call, with one warning", (_, eventId) => {
    const wrapped = botanuWorkflow("w", { eventId: eventId as () => string, customerId: () => "acme" }, () =>
      activeRun(),
    );
    for (let i = 0; i < 3; i++) {
      const run = wrapped();
      expect(run?.eventId).toBeUndefined();
      expect(run?.customerId).toBe("acme");
    }
    expect(recorder.warnings).toEqual([expect.stringContaining("eventId left out")]);
  });

  it.each([undefined, null])("%s is no value and no mistake", (nothing) => {
    expect(botanuWorkflow("w", { eventId: () => nothing }, () => activeRun())()?.eventId).toBeUndefined();
    expect(recorder.warnings).toEqual([]);
  });

  it("may be asynchronous for an async function, which starts when the ids are there", async () => {
    const order: string[] = [];
    const later = async (value: string): Promise<string> => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push(value);
      return value;
    };
    const wrapped = botanuWorkflow("w", { eventId: () => later("e"), customerId: () => later("c") }, async () => {
      order.push("fn");
      return activeRun();
    });
    const outer = await withRun({ workflow: "outer" }, async (run) => [run.runId, await wrapped()] as const);
    expect(outer[1]).toMatchObject({ eventId: "e", customerId: "c", parentRunId: outer[0] });
    expect(order.at(-1)).toBe("fn");
  });

  it("may give the numbers of a database, which travel as texts", () => {
    const options = { eventId: () => 7, customerId: () => 9007199254740993n, tenantId: () => NaN };
    const run = botanuWorkflow("w", options, () => activeRun())();
    expect([run?.eventId, run?.customerId, run?.tenantId]).toEqual(["7", "9007199254740993", undefined]);
    expect(recorder.warnings).toEqual([expect.stringContaining("tenantId left out")]);
  });

  it("leave out what rejects or is no text, for an async function too", async () => {
    const options = { eventId: async () => fail(), customerId: async () => true as never, tenantId: async () => "eu" };
    const run = await botanuWorkflow("w", options, async () => activeRun())();
    expect([run?.eventId, run?.customerId, run?.tenantId]).toEqual([undefined, undefined, "eu"]);
    expect(recorder.warnings).toHaveLength(2);
  });

  it("do not delay an async function when they are synchronous", () => {
    let started = false;
    void botanuWorkflow("w", { eventId: () => "e" }, async () => {
      started = true;
    })();
    expect(started).toBe(true);
  });

  it("are typed by the function", () => {
    botanuWorkflow("w", { eventId: (o) => o.id }, (o: Order) => o);
    botanuWorkflow("w", { eventId: async (o) => o.id }, async (o: Order) => o);
    // @ts-expect-error A synchronous function cannot wait for its ids.
    botanuWorkflow("w", { eventId: async (o) => o.id }, (o: Order) => o);
    // @ts-expect-error An id is a text or a number.
    botanuWorkflow("w", { eventId: (o) => o.id === "" }, (o: Order) => o);
    // @ts-expect-error There is no such option.
    botanuWorkflow("w", { eventID: "e" }, (o: Order) => o);
  });
});

describe("set-up", () => {
  const fn = (): undefined => undefined;
  it.each<[string, () => unknown, RegExp]>([
    ["an empty name", () => botanuWorkflow("", {}, fn), /workflow/],
    ["a blank name", () => botanuWorkflow("  ", {}, fn), /workflow/],
    ["a name with a line break", () => botanuWorkflow("a\nb", {}, fn), /workflow/],
    ["a name over 256 bytes", () => botanuWorkflow("é".repeat(129), {}, fn), /workflow/],
    ["no name", () => botanuWorkflow(undefined as never, {}, fn), /workflow/],
    ["a bad reader", () => botanuWorkflow("w", { eventId: {} as never }, fn), /eventId must be a .*function/],
    ["a bad environment", () => botanuWorkflow("w", { environment: 7 as never }, fn), /environment must be a string/],
    ["no function", () => botanuWorkflow("w", {}, "fn" as never), /needs a function/],
    ["a bad option of a decorator", () => botanuWorkflow("w", { status: "ok" as never }), /status must be a function/],
  ])("refuses %s", (_, setUp, message) => {
    expect(setUp).toThrowError(errorOf("ERR_INVALID_OPTION", message));
  });

  it("takes the longest name that travels, and uses no random number", () => {
    const random = globalThis.crypto.getRandomValues;
    globalThis.crypto.getRandomValues = () => expect.unreachable("at set-up");
    const wrapped = botanuWorkflow("é".repeat(128), {}, fn);
    globalThis.crypto.getRandomValues = random;
    expect(wrapped()).toBeUndefined();
  });
});

describe("a method decorator", () => {
  let Orders: OrdersClass;

  beforeEach(async () => {
    const source = await readFile(new URL("../test/decorated-orders.ts", import.meta.url), "utf8");
    const { code } = await transform(source, { loader: "ts", target: "es2022", format: "esm" });
    const compiled = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
      defineOrders(decorator: typeof botanuWorkflow, run: typeof activeRun): OrdersClass;
    };
    Orders = compiled.defineOrders(botanuWorkflow, activeRun);
  });

  function expectRun(run: unknown, workflow: string, eventId: string): void {
    expect(run).toMatchObject({ workflow, eventId } satisfies Partial<RunContext>);
  }

  it("makes runs of methods, static, private, async and generator ones too", async () => {
    const orders = new Orders();
    const [prefix, given, run] = orders.sync(order);
    expect([prefix, given]).toEqual(["p-", order]);
    expectRun(run, "sync_order", "p-o-1");
    expect((run as RunContext).customerId).toBe("acme");
    expectRun(await orders.later(order), "later_order", "o-1");
    expectRun(orders.viaPrivate(order), "private_order", "o-1");
    expect(orders.plain()).toBe("p-");
    const [count, , made] = Orders.make(order);
    expect(count).toBe(1);
    expectRun(made, "static_order", "o-1");
    for (const each of orders.steps(order)) expectRun(each, "order_steps", "o-1");
    const names = ["sync_order", "later_order", "private_order", "plain_order", "static_order", "order_steps"];
    expect(recorder.spans.map((span) => span.name)).toEqual(names.map((name) => `botanu.run/${name}`));
    expect(recorder.warnings).toEqual([]);
  });

  it("keeps name and length of the method, and instances share it", () => {
    expect(new Orders().sync.name).toBe("sync");
    expect(new Orders().sync).toHaveLength(1);
    expect(new Orders().sync).toBe(new Orders().sync);
  });

  it.each<[string, unknown, RegExp]>([
    ["the legacy form", "method", /experimentalDecorators/],
    ["the legacy form with a symbol", Symbol("method"), /experimentalDecorators/],
    ["a getter", { kind: "getter", name: "x" }, /methods/],
    ["a class", { kind: "class", name: "X" }, /methods/],
    ["a plain call", undefined, /third argument/],
  ])("refuses %s", (_, context, message) => {
    const decorator = botanuWorkflow("w") as unknown as (value: unknown, context: unknown) => unknown;
    expect(() => decorator(() => undefined, context)).toThrowError(errorOf("ERR_INVALID_OPTION", message));
  });
});

describe("calls beside each other", () => {
  it("keep their ids apart", async () => {
    const work = botanuWorkflow("w", { eventId: async (id: string) => id }, async (id: string) => {
      for (let i = 0; i < id.length; i++) await new Promise((resolve) => setImmediate(resolve));
      return [id, activeRun()?.eventId];
    });
    const results = await Promise.all(Array.from({ length: 1_000 }, (_, i) => work(`e${i}`)));
    for (const [id, eventId] of results) expect(eventId).toBe(id);
    expect(new Set(recorder.spans.map((span) => span.attributes[RUN_ID])).size).toBe(1_000);
  });
});
