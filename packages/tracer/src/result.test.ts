import { type Context, ROOT_CONTEXT, activeContext } from "@botanu/core";
import { beforeEach, describe, expect, it } from "vitest";
import { traceCall } from "./result.ts";

const KEY = Symbol("test");
const inside = ROOT_CONTEXT.setValue(KEY, "inside");

function where(context: Context = activeContext()): string {
  return context.getValue(KEY) === "inside" ? "inside" : "outside";
}

let ended: Array<[failed: boolean, value: unknown]>;

beforeEach(() => {
  ended = [];
});

function trace<R>(fn: () => R): R {
  return traceCall(inside, fn, (failed, value) => void ended.push([failed, value]));
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a generator", () => {
  function* count(): Generator<string, string, number> {
    const got = yield `1 ${where()}`;
    yield `${got} ${where()}`;
    return "end";
  }

  it("is traced to its end, each step in the context", () => {
    const steps = trace(count);
    expect(ended).toEqual([]);
    expect(where()).toBe("outside");
    expect([steps.next(), steps.next(7), steps.next()]).toEqual([
      { done: false, value: "1 inside" },
      { done: false, value: "7 inside" },
      { done: true, value: "end" },
    ]);
    expect(ended).toEqual([[false, "end"]]);
  });

  it("stays a generator to all that looks at it", () => {
    const steps = trace(count);
    expect(Object.prototype.toString.call(steps)).toBe("[object Generator]");
    expect(steps).toBeInstanceOf(count);
    expect(steps[Symbol.iterator]()).toBe(steps);
    const helpers = steps as unknown as { take(count: number): Iterable<string> };
    expect([...helpers.take(1)]).toEqual(["1 inside"]);
    expect(ended).toEqual([[false, undefined]]);
  });

  it("ends when a loop is left early, and its cleanup runs in the context", () => {
    let cleaned = "";
    const steps = trace(function* () {
      try {
        yield 1;
        yield 2;
      } finally {
        cleaned = where();
      }
    });
    for (const _ of steps) break;
    expect(cleaned).toBe("inside");
    expect(ended).toEqual([[false, undefined]]);
  });

  it("fails with what it throws, and with what is thrown into it and not caught", () => {
    const error = new Error("inside");
    const failing = trace(function* () {
      yield 1;
      throw error;
    });
    expect(() => [...failing]).toThrow(error);
    const pushed = new Error("pushed");
    const steps = trace(count);
    steps.next();
    expect(() => steps.throw(pushed)).toThrow(pushed);
    expect(ended).toEqual([
      [true, error],
      [true, pushed],
    ]);
  });

  it("goes on when what is thrown into it is caught", () => {
    const steps = trace(function* () {
      try {
        yield 1;
      } catch {
        yield 2;
      }
    });
    steps.next();
    expect(steps.throw(new Error("caught"))).toEqual({ done: false, value: 2 });
    expect(ended).toEqual([]);
  });

  it("works as a delegate of another", () => {
    const outer = (function* () {
      return yield* trace(count);
    })();
    expect([outer.next(), outer.next(3), outer.next()].map(({ value }) => value)).toEqual([
      "1 inside",
      "3 inside",
      "end",
    ]);
    expect(ended).toEqual([[false, "end"]]);
  });
});

describe("an async generator", () => {
  async function* count(): AsyncGenerator<string, string> {
    await pause();
    yield `1 ${where()}`;
    await pause();
    yield `2 ${where()}`;
    return "end";
  }

  it("is traced to its end, each step in the context", async () => {
    const seen: string[] = [];
    for await (const value of trace(count)) seen.push(`${value} ${where()}`);
    expect(seen).toEqual(["1 inside outside", "2 inside outside"]);
    expect(ended).toEqual([[false, "end"]]);
  });

  it("stays an async generator", async () => {
    const steps = trace(count);
    expect(Object.prototype.toString.call(steps)).toBe("[object AsyncGenerator]");
    expect(steps).toBeInstanceOf(count);
    expect(steps[Symbol.asyncIterator]()).toBe(steps);
    await steps.return("early");
    expect(ended).toEqual([[false, "early"]]);
  });

  it("takes queued requests in their order", async () => {
    const steps = trace(count);
    const results = await Promise.all([steps.next(), steps.next(), steps.next(), steps.next()]);
    expect(results.map(({ value }) => value)).toEqual(["1 inside", "2 inside", "end", undefined]);
    expect(ended).toHaveLength(1);
  });

  it("fails with what it throws", async () => {
    const error = new Error("late");
    const steps = trace(async function* () {
      yield 1;
      throw error;
    });
    await steps.next();
    await expect(steps.next()).rejects.toBe(error);
    expect(ended).toEqual([[true, error]]);
  });

  it("may come from a promise", async () => {
    const steps = await trace(async () => count());
    expect(ended).toEqual([]);
    for await (const _ of steps);
    expect(ended).toEqual([[false, "end"]]);
  });
});

/** As clients of model APIs give it: an object with private state whose iteration is one of its uses. */
class Reply {
  #parts: string[];
  id = "r-1";

  constructor(...parts: string[]) {
    this.#parts = parts;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (const part of this.#parts) {
      await pause();
      yield `${part} ${where()}`;
    }
  }

  all(): string[] {
    return this.#parts;
  }

  set last(part: string) {
    this.#parts.push(part);
  }
}

describe("an async iterable", () => {
  it("is traced through its iteration", async () => {
    const reply = await trace(async () => new Reply("a", "b"));
    const seen: string[] = [];
    for await (const part of reply) seen.push(`${part} ${where()}`);
    expect(seen).toEqual(["a inside outside", "b inside outside"]);
    expect(ended).toEqual([[false, undefined]]);
  });

  it("keeps its class, its private state and its properties", () => {
    const reply = trace(() => new Reply("a"));
    expect(reply).toBeInstanceOf(Reply);
    expect(reply.constructor).toBe(Reply);
    expect(reply.id).toBe("r-1");
    reply.last = "z";
    expect(ended).toEqual([]);
    expect(reply.all()).toEqual(["a", "z"]);
  });

  it("counts as over when it is used in another way", () => {
    const reply = trace(() => new Reply("a"));
    reply.all();
    reply.all();
    expect(ended).toEqual([[false, expect.any(Reply)]]);
  });

  it("may be used in other ways while it is iterated", async () => {
    const reply = trace(() => new Reply("a", "b"));
    for await (const _ of reply) expect(reply.all()).toHaveLength(2);
    expect(ended).toEqual([[false, undefined]]);
  });

  it("ends when a loop is left early, even without a return method", async () => {
    const endless = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: where() }) }) };
    for await (const value of trace(() => endless)) {
      expect(value).toBe("inside");
      break;
    }
    expect(ended).toEqual([[false, undefined]]);
  });

  it("fails with what its iteration throws", async () => {
    const error = new Error("broken");
    const broken = {
      [Symbol.asyncIterator]: () => ({ next: (): Promise<IteratorResult<number>> => Promise.reject(error) }),
    };
    const read = async (): Promise<void> => {
      for await (const _ of trace(() => broken));
    };
    await expect(read()).rejects.toBe(error);
    expect(ended).toEqual([[true, error]]);
  });

  it("is not changed, however often it is given", async () => {
    const shared = new Reply("a");
    for (let i = 0; i < 3; i++) for await (const _ of trace(() => shared));
    expect(ended).toHaveLength(3);
    expect(Object.getOwnPropertySymbols(shared)).toEqual([]);
  });

  it("is a plain value when it is frozen", () => {
    const frozen = Object.freeze(new Reply("a"));
    expect(trace(() => frozen)).toBe(frozen);
    expect(ended).toEqual([[false, frozen]]);
  });
});

describe("a plain value", () => {
  const stub = new Proxy(() => undefined, { get: (_, key) => (typeof key === "symbol" ? undefined : () => "remote") });
  it.each<[string, () => unknown]>([
    ["an array", () => [1]],
    ["a map", () => new Map()],
    ["an iterator of a map", () => new Map().values()],
    ["a text", () => "text"],
    ["null", () => null],
    ["a function", () => () => undefined],
    ["a stream", () => new ReadableStream()],
    ["a response", () => new Response("body")],
    ["an object of a remote stub's kind", () => ({ stub, next: () => stub })],
  ])("%s is given as it is", (_, make) => {
    const value = make();
    expect(trace(() => value)).toBe(value);
    expect(ended).toEqual([[false, value]]);
  });

  it("a stream may come from a promise", async () => {
    const stream = new ReadableStream();
    expect(await trace(async () => stream)).toBe(stream);
    expect(ended).toEqual([[false, stream]]);
  });
});

describe("a promise", () => {
  it("settles as it does without tracing, after the end was told", async () => {
    const order: string[] = [];
    const result = traceCall(
      inside,
      async () => 7,
      () => void order.push("ended"),
    ).then(() => order.push("caller"));
    await result;
    expect(order).toEqual(["ended", "caller"]);
  });

  it("of a subclass is awaited once", async () => {
    let parsed = 0;
    class Lazy<T> extends Promise<T> {
      // oxlint-disable-next-line unicorn/no-thenable -- as clients do that parse when they are awaited
      override then<A, B>(...settle: Parameters<Promise<T>["then"]>): Promise<A | B> {
        parsed++;
        expect(where()).toBe("inside");
        return super.then(...settle) as Promise<A | B>;
      }
    }
    expect(await trace(() => new Lazy<number>((resolve) => resolve(1)))).toBe(1);
    expect(parsed).toBe(1);
    expect(ended).toEqual([[false, 1]]);
  });
});
