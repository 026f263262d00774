import { describe, expect, it } from "vitest";
import { batchSpans } from "./batch.ts";
import { createTracer } from "./tracer.ts";
import type { ReadableSpan } from "./types.ts";

function sink() {
  const batches: number[] = [];
  let dropped = 0;
  return {
    batches,
    get dropped() {
      return dropped;
    },
    send: async (spans: ReadableSpan[]): Promise<void> => void batches.push(spans.length),
    drop: (count: number): void => void (dropped += count),
  };
}

const span = {} as ReadableSpan;

describe("batchSpans", () => {
  it("sends a full batch at once and the rest on flush", async () => {
    const target = sink();
    const buffer = batchSpans({ maxExportBatchSize: 3, maxQueueSize: 10, scheduledDelayMillis: 60_000 })(target);
    for (let index = 0; index < 4; index++) buffer.add(span);
    await buffer.flush();
    expect(target.batches).toEqual([3, 1]);
  });

  it("sends after the delay what never fills a batch", async () => {
    const target = sink();
    batchSpans({ scheduledDelayMillis: 1 })(target).add(span);
    await expect.poll(() => target.batches).toEqual([1]);
  });

  it("drops and counts what the queue has no room for while an export hangs", async () => {
    const target = sink();
    let answer = (): void => undefined;
    const slow = { ...target, send: () => new Promise<void>((resolve) => (answer = resolve)), drop: target.drop };
    const buffer = batchSpans({ maxExportBatchSize: 2, maxQueueSize: 4, scheduledDelayMillis: 60_000 })(slow);
    for (let index = 0; index < 2; index++) buffer.add(span);
    await Promise.resolve();
    for (let index = 0; index < 7; index++) buffer.add(span);
    expect(target.dropped).toBe(3);
    answer();
  });

  it.each([
    ["an empty batch", { maxExportBatchSize: 0 }],
    ["a batch larger than the queue", { maxExportBatchSize: 5, maxQueueSize: 4 }],
    ["a delay that is none", { scheduledDelayMillis: Number.NaN }],
  ])("refuses %s", (_title, options) => {
    expect(() => createTracer({ batch: batchSpans(options) })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });

  it("delivers a tracer's spans on forceFlush", async () => {
    const exported: string[] = [];
    const exporter = {
      export: (spans: ReadableSpan[], done: (result: { code: number }) => void): void => {
        exported.push(...spans.map(({ name }) => name));
        done({ code: 0 });
      },
      shutdown: async (): Promise<void> => undefined,
    };
    const tracer = createTracer({ exporter, batch: batchSpans({ scheduledDelayMillis: 60_000 }) });
    tracer.startSpan("one").end();
    tracer.startSpan("two").end();
    await tracer.forceFlush();
    expect(exported).toEqual(["one", "two"]);
  });
});
