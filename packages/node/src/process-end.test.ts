import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { flushAtEnd, type EndingProcess } from "./process-end.ts";

/** A process whose flush the test resolves by hand. */
class FakeProcess extends EventEmitter {
  pid = 42;
  readonly killed: string[] = [];
  readonly flushes: Array<(sent: boolean) => void> = [];
  abandoned = 0;

  kill(_pid: number, signal: string): void {
    this.killed.push(`${signal} with ${this.listenerCount(signal)} handlers`);
  }

  start(signals = true): this {
    flushAtEnd({
      process: this as unknown as EndingProcess,
      flush: () => new Promise((resolve) => this.flushes.push(resolve)),
      abandon: () => (this.abandoned += 1),
      signals,
    });
    return this;
  }

  async flushed(sent = true): Promise<void> {
    for (const resolve of this.flushes.splice(0)) resolve(sent);
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("flushAtEnd", () => {
  it("flushes, then sends the signal again with the default action in place", async () => {
    const process = new FakeProcess().start();
    process.emit("SIGTERM");
    expect(process.killed).toEqual([]);
    await process.flushed();
    expect(process.killed).toEqual(["SIGTERM with 0 handlers"]);
  });

  it("does not wait for the flush when the signal comes twice", () => {
    const process = new FakeProcess().start();
    process.emit("SIGINT");
    process.emit("SIGINT");
    expect(process.killed).toEqual(["SIGINT with 0 handlers"]);
  });

  it("steps back for a handler of the application, and flushes beside it", async () => {
    const process = new FakeProcess().start();
    let heard = 0;
    process.on("SIGTERM", () => (heard += 1));
    await turn();
    expect(process.listenerCount("SIGTERM")).toBe(1);
    expect(process.listenerCount("SIGINT")).toBe(1);
    process.emit("SIGTERM", "SIGTERM", 15);
    expect([heard, process.flushes.length]).toEqual([1, 1]);
    await process.flushed();
    expect(process.killed).toEqual([]);
  });

  it("steps in again when that handler goes", async () => {
    const process = new FakeProcess().start();
    const handler = (): void => undefined;
    process.on("SIGTERM", handler);
    await turn();
    process.off("SIGTERM", handler);
    await turn();
    process.emit("SIGTERM");
    await process.flushed();
    expect(process.killed).toEqual(["SIGTERM with 0 handlers"]);
  });

  it("never leaves the signal without a handler while one is being added", () => {
    const process = new FakeProcess().start();
    process.on("newListener", () => expect(process.listenerCount("SIGTERM")).toBeGreaterThan(0));
    process.on("SIGTERM", () => undefined);
    expect(process.listenerCount("SIGTERM")).toBe(2);
  });

  it("leaves process 1 of a container running, as Node does", async () => {
    const process = new FakeProcess();
    process.pid = 1;
    process.start().emit("SIGTERM");
    expect(process.flushes).toHaveLength(1);
    await process.flushed();
    expect(process.killed).toEqual([]);
  });

  it("passes events on as they are", () => {
    const process = new FakeProcess().start();
    const seen: unknown[] = [];
    process.on("other", function (this: unknown, ...args: unknown[]) {
      seen.push(this === process, ...args);
    });
    expect(process.emit("other", 1, 2)).toBe(true);
    expect(process.emit("nobody")).toBe(false);
    expect([seen, process.flushes.length]).toEqual([[true, 1, 2], 0]);
  });

  it("leaves signals alone in a worker thread", () => {
    expect(new FakeProcess().start(false).eventNames()).toEqual(["beforeExit"]);
  });

  it("gives up once when a flush at the end of all work does not get through", async () => {
    const process = new FakeProcess().start();
    process.emit("beforeExit");
    await process.flushed(true);
    process.emit("beforeExit");
    await process.flushed(false);
    process.emit("beforeExit");
    expect([process.flushes.length, process.abandoned]).toEqual([0, 1]);
  });
});
