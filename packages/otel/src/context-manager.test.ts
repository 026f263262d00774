import { EventEmitter } from "node:events";
import { activeContext, createRun, getRun, ROOT_CONTEXT, setRun, withContext } from "@botanu/core";
import { context, type Context } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createContextManager } from "./context-manager.ts";

const inRun = (workflow: string): Context => setRun(ROOT_CONTEXT, createRun({ workflow })) as Context;
const workflow = (): string | undefined => getRun(activeContext())?.workflow;

beforeEach(() => {
  expect(context.setGlobalContextManager(createContextManager())).toBe(true);
});
afterEach(() => context.disable());

describe("createContextManager", () => {
  it("is one with the context store, in both directions and across asynchronous steps", async () => {
    await context.with(inRun("api"), async () => {
      await Promise.resolve();
      expect(workflow()).toBe("api");
      expect(withContext(inRun("core"), () => getRun(context.active())?.workflow)).toBe("core");
      expect(workflow()).toBe("api");
    });
    expect(workflow()).toBeUndefined();
  });

  it("keeps concurrent runs apart", async () => {
    const seen = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        context.with(inRun(`w${index}`), async () => {
          for (let turn = 0; turn < index % 5; turn++) await Promise.resolve();
          return workflow();
        }),
      ),
    );
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => `w${index}`));
  });

  it("passes this and arguments, and lets errors through", () => {
    const receiver = { name: "r" };
    const fn = function (this: typeof receiver, a: number, b: number): string {
      return `${this.name}${a + b}${workflow()}`;
    };
    expect(context.with(inRun("w"), fn, receiver, 1, 2)).toBe("r3w");
    const fail = (): never => {
      throw new Error("mine");
    };
    expect(() => context.with(inRun("w"), fail)).toThrow("mine");
  });

  it("binds functions, and leaves other values alone", () => {
    const bound = context.bind(inRun("w"), () => workflow());
    expect(bound()).toBe("w");
    const plain = { a: 1 };
    expect(context.bind(inRun("w"), plain)).toBe(plain);
    expect(context.bind(inRun("w"), undefined)).toBeUndefined();
  });

  it.each(["on", "addListener", "once", "prependListener", "prependOnceListener"] as const)(
    "binds listeners added by %s, and takes them off again",
    (method) => {
      const emitter = context.bind(inRun("first"), context.bind(inRun("first"), new EventEmitter()));
      const seen: Array<string | undefined> = [];
      const listener = (): void => void seen.push(workflow());
      emitter[method]("event", listener);
      expect(emitter.listenerCount("event")).toBe(1);
      emitter.emit("event");
      expect(seen).toEqual(["first"]);
      emitter.off("event", listener);
      emitter.emit("event");
      expect(seen).toHaveLength(1);
      expect(emitter.listenerCount("event")).toBe(0);
    },
  );

  it("takes off a one-time listener that never fired", () => {
    const emitter = context.bind(inRun("w"), new EventEmitter());
    const listener = (): void => undefined;
    emitter.once("event", listener);
    emitter.removeListener("event", listener);
    expect(emitter.listenerCount("event")).toBe(0);
  });

  it("lets an emitter complain about a listener that is none", () => {
    const emitter = context.bind(inRun("w"), new EventEmitter());
    expect(() => emitter.on("event", 1 as never)).toThrow(TypeError);
  });
});
