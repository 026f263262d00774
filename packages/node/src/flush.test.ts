import { describe, expect, it } from "vitest";
import { abortableFetch, BoundedExporter } from "./bounded-export.ts";
import { createFlush } from "./flush.ts";

const never = (): Promise<never> => new Promise(() => undefined);

describe("createFlush", () => {
  it("asks processors before exporters, and shares one flush among calls", async () => {
    const order: string[] = [];
    const part = (name: string) => ({ forceFlush: async () => void order.push(name), abandon: () => undefined });
    const flush = createFlush({ processors: [part("p1"), part("p2")], exporters: [part("e")], timeoutMillis: 1_000 });
    const first = flush();
    expect(flush()).toBe(first);
    expect(await first).toBe(true);
    expect(order).toEqual(["p1", "p2", "e"]);
    expect(flush()).not.toBe(first);
  });

  it("ends in time when a part does not, and survives parts that fail or have no flush", async () => {
    const fails = { forceFlush: () => Promise.reject(new Error("flush")) };
    const throws = {
      forceFlush: () => {
        throw new Error("flush");
      },
    };
    expect(await createFlush({ processors: [fails, throws, {}], exporters: [], timeoutMillis: 1_000 })()).toBe(true);
    expect(await createFlush({ processors: [{ forceFlush: never }], exporters: [], timeoutMillis: 1 })()).toBe(false);
  });
});

describe("BoundedExporter", () => {
  it("answers each export once: with its result, or when it is given up", () => {
    const pending: Array<(result: { code: number }) => void> = [];
    let aborted = 0;
    const inner = {
      export: (_: unknown, done: (result: { code: number }) => void) => void pending.push(done),
      shutdown: () => Promise.resolve(),
    };
    const exporter = new BoundedExporter(inner, () => (aborted += 1));
    const results: number[] = [];
    exporter.export([], ({ code }) => results.push(code));
    exporter.export([], ({ code }) => results.push(code + 10));
    pending[0]?.({ code: 0 });
    exporter.abandon();
    for (const done of pending) done({ code: 0 });
    expect([results, aborted]).toEqual([[0, 11], 1]);
  });

  it("waits for exports under way, and no longer than until they are given up", async () => {
    const inner = { export: () => undefined, forceFlush: never, shutdown: () => Promise.resolve() };
    const exporter = new BoundedExporter(inner);
    await exporter.forceFlush();
    exporter.export([], () => undefined);
    let flushed = false;
    const flush = exporter.forceFlush().then(() => (flushed = true));
    await Promise.resolve();
    expect(flushed).toBe(false);
    exporter.abandon();
    await flush;
  });

  it("turns a throwing exporter into a failed export", () => {
    const inner = {
      export: () => {
        throw new Error("mine");
      },
      shutdown: () => Promise.resolve(),
    };
    const results: unknown[] = [];
    new BoundedExporter(inner).export([], (result) => results.push(result));
    expect(results).toEqual([{ code: 1, error: new Error("mine") }]);
  });
});

describe("abortableFetch", () => {
  it("aborts what is under way and nothing later, and heeds the caller's own signal", async () => {
    const signals: AbortSignal[] = [];
    const { fetch, abort } = abortableFetch(async (_, init) => {
      signals.push(init?.signal as AbortSignal);
      return new Response();
    });
    const own = new AbortController();
    await fetch("http://x/");
    await fetch("http://x/", { signal: own.signal });
    abort();
    await fetch("http://x/", { signal: own.signal });
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true, false]);
    own.abort();
    expect(signals[2]?.aborted).toBe(true);
  });
});
