import {
  activeContext,
  cancelRun,
  createRun,
  extract,
  getRun,
  inject,
  ROOT_CONTEXT,
  RUN_ID,
  type RunContext,
  setRun,
  withContext,
} from "@botanu/core";
import { beforeEach, describe, expect, it } from "vitest";
import { completed, fail, only, recordEachTest } from "../test/recording.ts";
import { activeRun, retryRun, withRun } from "./run.ts";
import { setSpan } from "./span.ts";
import { step } from "./step.ts";
import { createTracer, setTracer, TRACER_KEY } from "./tracer.ts";
import { type ReadableSpan, SpanKind } from "./types.ts";

const recorder = recordEachTest();

describe("withRun: which run", () => {
  it("nests in a run that goes on here", () => {
    withRun({ workflow: "outer", eventId: "e", customerId: "c", environment: "test" }, (outer) => {
      withRun({ workflow: "inner", customerId: "d" }, (inner) => {
        expect(inner).toMatchObject({ workflow: "inner", eventId: "e", customerId: "d", environment: "test" });
        expect(inner.parentRunId).toBe(outer.runId);
        expect(inner.runId).not.toBe(outer.runId);
        expect(inner.attempt).toBe(1);
        expect(activeRun()).toBe(inner);
      });
      expect(activeRun()).toBe(outer);
    });
    const [inner, outer] = recorder.spans as [ReadableSpan, ReadableSpan];
    expect(inner.attributes["botanu.parent_run_id"]).toBe(outer.attributes[RUN_ID]);
    expect(inner.kind).toBe(SpanKind.INTERNAL);
  });

  it("carries out a run that a trusted caller sent, and nests in it only when told", () => {
    const headers = new Headers();
    const sent = createRun({ workflow: "checkout", eventId: "e" });
    inject({ run: sent }, headers);
    const { run } = extract(headers, { trust: true });
    const context = setRun(ROOT_CONTEXT, run as RunContext);
    withRun({ workflow: "charge", customerId: "mine", context }, (joined) => expect(joined).toBe(run));
    withRun({ workflow: "charge", context, newRun: true }, (nested) => {
      expect(nested).toMatchObject({ workflow: "charge", parentRunId: sent.runId, eventId: "e" });
    });
    expect(recorder.spans.map((span) => span.name)).toEqual(["botanu.run/checkout", "botanu.run/charge"]);
  });

  it("nests in a joined run once that is being carried out", () => {
    const context = setRun(ROOT_CONTEXT, createRun({ workflow: "checkout" }));
    withRun({ workflow: "charge", context }, (joined, inJoined) => {
      const nested = withRun({ workflow: "mail", context: inJoined }, (run) => run);
      expect(nested.parentRunId).toBe(joined.runId);
    });
  });

  it("retries: a new run of the same event, and never a nested one", () => {
    const deadline = Date.now() + 60_000;
    const first = withRun({ workflow: "w", eventId: "e", deadline }, (run) => run);
    const second = withRun({ workflow: "outer" }, () => retryRun(first, (run) => run));
    const third = retryRun(cancelRun(second), (run) => run, { kind: SpanKind.CONSUMER });
    expect(second).toMatchObject({ workflow: "w", eventId: "e", deadline, attempt: 2, rootRunId: first.runId });
    expect(second.retryOfRunId).toBe(first.runId);
    expect(second.parentRunId).toBeUndefined();
    expect(third).toMatchObject({ attempt: 3, rootRunId: first.runId, retryOfRunId: second.runId, cancelled: false });
    const span = recorder.spans.at(-1) as ReadableSpan;
    expect(span.kind).toBe(SpanKind.CONSUMER);
    expect(span.attributes).toMatchObject({
      "botanu.attempt": 3,
      "botanu.root_run_id": first.runId,
      "botanu.retry_of_run_id": second.runId,
      "botanu.run.deadline_ts": deadline / 1000,
    });
  });
});

describe("withRun: the call", () => {
  it("leaves a synchronous function synchronous", () => {
    expect(withRun({ workflow: "w" }, (run, context) => [run === activeRun(), context === activeContext()])).toEqual([
      true,
      true,
    ]);
    expect(recorder.spans).toHaveLength(1);
  });

  it("lasts until a promise settles, and keeps the context across awaits", async () => {
    const promise = withRun({ workflow: "w" }, async (run) => {
      await new Promise((resolve) => setImmediate(resolve));
      expect(activeRun()).toBe(run);
      return "done";
    });
    expect(promise).toBeInstanceOf(Promise);
    expect(recorder.spans).toHaveLength(0);
    expect(await promise).toBe("done");
    expect(recorder.spans).toHaveLength(1);
    expect(activeRun()).toBeUndefined();
  });

  it("runs a lazy thenable once, in the context", async () => {
    let started = 0;
    const lazy = (): PromiseLike<RunContext | undefined> => ({
      // oxlint-disable-next-line unicorn/no-thenable -- what query builders give
      then: (...settle) => {
        started++;
        return Promise.resolve(activeRun()).then(...settle);
      },
    });
    const run = await withRun({ workflow: "w" }, lazy);
    expect(run?.workflow).toBe("w");
    expect(started).toBe(1);
    expect(recorder.spans).toHaveLength(1);
  });

  it.each([
    ["an error", new RangeError("no")],
    ["a frozen error", Object.freeze(new Error("no"))],
    ["a text", "no"],
    ["nothing", undefined],
    ["null", null],
    ["an object without a prototype", Object.create(null) as unknown],
    ["an error whose fields throw", hostileError()],
  ])("passes on %s that is thrown, and fails the run", async (_, thrown) => {
    const caught = (run: () => unknown): unknown => {
      try {
        return { returned: run() };
      } catch (error) {
        return error;
      }
    };
    const fail = (): never => {
      throw thrown;
    };
    expect(
      Object.is(
        caught(() => withRun({ workflow: "w" }, fail)),
        thrown,
      ),
    ).toBe(true);
    const rejected = withRun({ workflow: "w" }, async () => fail()).then(
      () => "resolved",
      (error: unknown) => Object.is(error, thrown),
    );
    expect(await rejected).toBe(true);
    expect(recorder.spans).toHaveLength(2);
    for (const span of recorder.spans) {
      expect(completed(span)["status"]).toBe("failure");
      expect(span.status.code).toBe(2);
    }
  });

  it("does not hide a rejection that nobody handles", async () => {
    const seen: unknown[] = [];
    const listener = (error: unknown): void => void seen.push(error);
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", listener);
    const error = new Error("lost");
    void withRun({ workflow: "w" }, async () => {
      throw error;
    });
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener("unhandledRejection", listener);
    for (const other of others) process.on("unhandledRejection", other);
    expect(seen).toEqual([error]);
  });
});

describe("withRun: without a tracer", () => {
  beforeEach(() => setTracer(undefined));

  it("still calls the function and propagates the run", async () => {
    const headers = new Headers();
    const id = await withRun({ workflow: "w" }, async (run) => {
      await Promise.resolve();
      step("s", () => inject({ run: activeRun() }, headers));
      return run.runId;
    });
    expect(headers.get("baggage")).toContain(`botanu.run_id=${id}`);
    expect(headers.get("baggage")).toContain("botanu.step=s");
  });

  it("leaves a span alone that somebody else made active", () => {
    const span = recorder.tracer.startSpan("theirs");
    const context = setSpan(ROOT_CONTEXT, span);
    expect(() => withRun({ workflow: "w", context }, () => fail(new Error("x")))).toThrow();
    step("s", () => undefined, context);
    expect(span.isRecording()).toBe(true);
    span.end();
    expect(only(recorder.spans).events).toEqual([]);
    expect(only(recorder.spans).attributes).toEqual({});
  });
});

describe("withRun: explicit passing", () => {
  it("works on the given context alone", async () => {
    const context = ROOT_CONTEXT.setValue(TRACER_KEY, recorder.tracer);
    setTracer(undefined);
    await withRun({ workflow: "outer", context }, async (outer, inOuter) => {
      await step(
        "s",
        async (inStep) => {
          const inner = withRun({ workflow: "inner", context: inStep }, (run) => run);
          expect(inner.parentRunId).toBe(outer.runId);
          expect(getRun(inStep)?.step).toBe("s");
          expect(activeRun(inStep)?.runId).toBe(outer.runId);
        },
        inOuter,
      );
    });
    expect(recorder.spans.map((span) => span.name)).toEqual(["botanu.run/inner", "botanu.step/s", "botanu.run/outer"]);
    expect(new Set(recorder.spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  });
});

describe("withRun: beside each other", () => {
  it("keeps 1,000 interleaved runs apart", async () => {
    const pause = (turns: number): Promise<void> =>
      turns === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => setImmediate(resolve)).then(() => pause(turns - 1));
    const runs = Array.from({ length: 1_000 }, (_, index) =>
      withRun({ workflow: `w${index % 7}`, eventId: `e${index}` }, async (run) => {
        await pause(index % 5);
        await step(`s${index % 3}`, async () => {
          await pause((index * 3) % 4);
          recorder.tracer.startSpan("leaf", { attributes: { index } }).end();
          expect(activeRun()).toMatchObject({ runId: run.runId, step: `s${index % 3}` });
        });
        await pause(index % 2);
        expect(activeRun()).toBe(run);
        return run;
      }),
    );
    const done = await Promise.all(runs);
    const leaves = recorder.spans.filter((span) => span.name === "leaf");
    expect(leaves).toHaveLength(1_000);
    for (const leaf of leaves) {
      const index = leaf.attributes["index"] as number;
      expect(leaf.attributes).toMatchObject({
        [RUN_ID]: done[index]?.runId,
        "botanu.event_id": `e${index}`,
        "botanu.workflow": `w${index % 7}`,
        "botanu.step": `s${index % 3}`,
      });
    }
    expect(new Set(recorder.spans.map((span) => span.attributes[RUN_ID])).size).toBe(1_000);
    expect(activeRun()).toBeUndefined();
  });
});

describe("withRun: a broken exporter", () => {
  it("changes nothing", async () => {
    const broken = {
      export: () => fail(new Error("export")),
      shutdown: async () => fail(new Error("shutdown")),
      forceFlush: async () => fail(new Error("flush")),
    };
    const onEnd = (): never => fail(new Error("end"));
    const onStart = (): never => fail(new Error("start"));
    const processor = { onStart, onEnd, forceFlush: async () => {}, shutdown: async () => {} };
    const tracer = createTracer({ exporter: broken, processors: [processor] });
    const invocation = tracer.startInvocation();
    const error = new Error("app");
    await withContext(invocation.context, async () => {
      expect(await withRun({ workflow: "w" }, async () => step("s", () => 7))).toBe(7);
      await expect(withRun({ workflow: "w" }, async () => fail(error))).rejects.toBe(error);
    });
    await invocation.flush();
    expect(tracer.stats()).toMatchObject({ started: 3, ended: 3, exported: 0 });
  });
});

function hostileError(): Error {
  const fail = (): never => {
    throw new Error("hostile");
  };
  return Object.defineProperties(new Error("x"), { name: { get: fail }, message: { get: fail }, stack: { get: fail } });
}
