import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach, describe, expect, it } from "vitest";
import { activeContext, bindContext, installContextStore, STORE_KEY, withContext } from "./context-store.ts";
import { getForeignBaggage, getRun, ROOT_CONTEXT, setForeignBaggage, setRun } from "./context.ts";
import { createRun } from "./run.ts";

const OTEL_API = Symbol.for("opentelemetry.js.api.1");
const host = globalThis as unknown as Record<symbol, unknown>;
const KEY = Symbol("key");

afterEach(() => {
  delete host[OTEL_API];
  delete host[STORE_KEY];
});

describe("a context", () => {
  it("holds values, and is never changed", () => {
    const below = ROOT_CONTEXT.setValue(KEY, 1);
    expect([ROOT_CONTEXT.getValue(KEY), below.getValue(KEY)]).toEqual([undefined, 1]);
    expect(below.deleteValue(KEY).getValue(KEY)).toBeUndefined();
    expect(below.getValue(KEY)).toBe(1);
  });

  it("holds the run, and members of others", () => {
    const run = createRun({ workflow: "w" });
    const context = setForeignBaggage(setRun(ROOT_CONTEXT, run), ["a=1"]);
    expect([getRun(context), getForeignBaggage(context)]).toEqual([run, ["a=1"]]);
    expect([getRun(ROOT_CONTEXT), getForeignBaggage(ROOT_CONTEXT)]).toEqual([undefined, undefined]);
  });
});

describe("the active context", () => {
  const context = ROOT_CONTEXT.setValue(KEY, 1);

  it("follows what starts in it, and only that", async () => {
    const seen = withContext(context, async () => {
      await Promise.resolve();
      return activeContext();
    });
    expect(activeContext()).toBe(ROOT_CONTEXT);
    expect(await seen).toBe(context);
  });

  it("is taken along by a function that is bound, whatever calls it", () => {
    const bound = bindContext(context, function (this: unknown, ...args: unknown[]) {
      return [activeContext(), this, args];
    });
    const self = {};
    expect(bound.call(self, 1, 2)).toEqual([context, self, [1, 2]]);
  });

  it("is in one store, whoever installs it", () => {
    const store = installContextStore(AsyncLocalStorage as never);
    class Other {}
    expect(installContextStore(Other as never)).toBe(store);
    expect(installContextStore(undefined)).toBe(store);
    store?.run(context, () => expect(activeContext()).toBe(context));
  });

  it("is that of a context manager of OpenTelemetry where one is registered", () => {
    const calls: unknown[] = [];
    const manager = {
      active: () => context,
      with: (given: unknown, fn: () => unknown) => {
        calls.push(given);
        return fn();
      },
    };
    host[OTEL_API] = { context: manager };
    expect(activeContext()).toBe(context);
    expect(withContext(ROOT_CONTEXT, () => 7)).toBe(7);
    expect(calls).toEqual([ROOT_CONTEXT]);
  });

  it("is our own where that manager stands on it", () => {
    host[OTEL_API] = { context: { [STORE_KEY]: true, active: () => expect.unreachable("asked in turn") } };
    expect(withContext(context, () => activeContext())).toBe(context);
  });

  it("is the root, and functions are only called, where a host has no store", () => {
    const { getBuiltinModule } = process;
    process.getBuiltinModule = (() => undefined) as never;
    try {
      expect(withContext(context, () => activeContext())).toBe(ROOT_CONTEXT);
    } finally {
      process.getBuiltinModule = getBuiltinModule;
    }
  });

  it("is kept by the entry that fetches the store as a module", async () => {
    const { withContext: inside } = await import("./async.ts");
    expect(host[STORE_KEY]).toBeInstanceOf(AsyncLocalStorage);
    expect(inside(context, () => activeContext())).toBe(context);
  });
});
