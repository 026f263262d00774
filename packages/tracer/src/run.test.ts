import {
  cancelRun,
  createRun,
  extract,
  getRun,
  inject,
  ROOT_CONTEXT,
  RUN_ID,
  type RunContext,
  setDiag,
  setRun,
  activeContext,
  withContext,
} from "@botanu/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { activeRun, retryRun, withRun, type WithRunOptions } from "./run.ts";
import type { RunStatus } from "./run-span.ts";
import { setSpan, wrapSpanContext } from "./span.ts";
import { step } from "./step.ts";
import { createTracer, setTracer, TRACER_KEY } from "./tracer.ts";
import { type BotanuTracer, type ReadableSpan, SpanKind, type TracerOptions } from "./types.ts";

interface Recorder {
  readonly tracer: BotanuTracer;
  readonly spans: ReadableSpan[];
}

function record(options: TracerOptions = {}): Recorder {
  const spans: ReadableSpan[] = [];
  const processor = {
    onStart() {},
    onEnd: (span: ReadableSpan) => void spans.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  return { tracer: createTracer({ processors: [processor], ...options }), spans };
}

function only(spans: readonly ReadableSpan[]): ReadableSpan {
  expect(spans).toHaveLength(1);
  return spans[0] as ReadableSpan;
}

function completed(span: ReadableSpan): Record<string, unknown> {
  const events = span.events.filter((event) => event.name === "botanu.run.completed");
  expect(events).toHaveLength(1);
  return events[0]?.attributes as Record<string, unknown>;
}

function exceptions(spans: readonly ReadableSpan[]): string[] {
  return spans.flatMap((span) => span.events.filter(({ name }) => name === "exception").map(() => span.name));
}

let recorder: Recorder;
let warnings: string[];

beforeEach(() => {
  recorder = record();
  warnings = [];
  setTracer(recorder.tracer);
  setDiag({ warn: (message) => void warnings.push(message), error: (message) => void warnings.push(message) });
});

afterEach(() => {
  setTracer(undefined);
  setDiag();
});

describe("withRun: the run span", () => {
  it("carries the attributes and events of a run span", () => {
    const deadline = Date.now() + 60_500;
    const before = Date.now();
    const run = withRun(
      { workflow: "resolve_ticket", eventId: "t-1", customerId: "acme", tenantId: "eu", environment: "test", deadline },
      (current) => current,
    );
    const span = only(recorder.spans);
    expect(span.name).toBe("botanu.run/resolve_ticket");
    expect(span.kind).toBe(SpanKind.SERVER);
    expect(span.attributes).toEqual({
      "botanu.run_id": run.runId,
      "botanu.workflow": "resolve_ticket",
      "botanu.event_id": "t-1",
      "botanu.customer_id": "acme",
      "botanu.tenant_id": "eu",
      "botanu.environment": "test",
      "botanu.run.start_time": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      "botanu.root_run_id": run.runId,
      "botanu.attempt": 1,
      "botanu.run.deadline_ts": deadline / 1000,
      "botanu.run.duration_ms": expect.any(Number),
    });
    expect(Math.abs(Date.parse(span.attributes["botanu.run.start_time"] as string) - before)).toBeLessThan(5_000);
    expect(span.events.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
      { name: "botanu.run.started", attributes: { run_id: run.runId, workflow: "resolve_ticket" } },
      {
        name: "botanu.run.completed",
        attributes: {
          run_id: run.runId,
          workflow: "resolve_ticket",
          status: "success",
          duration_ms: span.attributes["botanu.run.duration_ms"],
        },
      },
    ]);
    expect(span.status.code).toBe(0);
  });

  it.each([
    ["no span above", () => ROOT_CONTEXT, SpanKind.SERVER],
    ["a caller's span", () => remoteSpan(true), SpanKind.SERVER],
    ["an adapter's span", () => remoteSpan(false), SpanKind.INTERNAL],
  ])("is of the right kind below %s", (_, context, kind) => {
    withRun({ workflow: "w", context: context() }, () => undefined);
    expect(only(recorder.spans).kind).toBe(kind);
  });

  it("takes its kind from the options", () => {
    withRun({ workflow: "w", kind: SpanKind.CONSUMER }, () => undefined);
    expect(only(recorder.spans).kind).toBe(SpanKind.CONSUMER);
  });

  it("is the parent of what starts inside, and all of it carries the run", () => {
    withRun({ workflow: "w" }, () => void step("one", () => recorder.tracer.startSpan("query").end()));
    const [query, one, run] = recorder.spans as [ReadableSpan, ReadableSpan, ReadableSpan];
    expect([query.name, one.name, run.name]).toEqual(["query", "botanu.step/one", "botanu.run/w"]);
    expect(query.parentSpanContext?.spanId).toBe(one.spanContext().spanId);
    expect(one.parentSpanContext?.spanId).toBe(run.spanContext().spanId);
    for (const span of recorder.spans) expect(span.attributes[RUN_ID]).toBe(run.attributes[RUN_ID]);
  });

  it("takes the environment from the tracer's resource when no one says", () => {
    const { tracer } = record({ resource: { "deployment.environment.name": "staging" } });
    expect(withRun({ workflow: "w", tracer }, (run) => run.environment)).toBe("staging");
    expect(withRun({ workflow: "w", tracer, environment: "qa" }, (run) => run.environment)).toBe("qa");
    expect(withRun({ workflow: "w" }, (run) => run.environment)).toBe("unknown");
  });

  it("keeps a deadline as whole milliseconds, and leaves out what is none", () => {
    expect(withRun({ workflow: "w", deadline: 1_800_000_000_000.7 }, (run) => run.deadline)).toBe(1_800_000_000_000);
    for (const deadline of [Number.NaN, -1, Infinity, 0]) {
      expect(withRun({ workflow: "w", deadline }, (run) => run.deadline)).toBeUndefined();
    }
    expect(warnings).toHaveLength(1);
  });

  it.each(["", undefined, 7, "a\nb", "x".repeat(257)])("refuses %j as a workflow", (workflow) => {
    expect(() => withRun({ workflow } as WithRunOptions, () => "never")).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
    expect(recorder.spans).toHaveLength(0);
  });
});

function remoteSpan(isRemote: boolean): ReturnType<typeof setSpan> {
  const span = wrapSpanContext({ traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: 1, isRemote });
  return setSpan(ROOT_CONTEXT, span);
}

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

function hostileError(): Error {
  const fail = (): never => {
    throw new Error("hostile");
  };
  return Object.defineProperties(new Error("x"), { name: { get: fail }, message: { get: fail }, stack: { get: fail } });
}

describe("withRun: what is thrown", () => {
  it("is recorded once, on the innermost span", async () => {
    const error = new TypeError("inner");
    const nested = withRun({ workflow: "outer" }, () =>
      withRun({ workflow: "inner" }, async () => step("s", () => step("t", () => Promise.reject(error)))),
    );
    await expect(nested).rejects.toBe(error);
    expect(exceptions(recorder.spans)).toEqual(["botanu.step/t"]);
    expect(recorder.spans.map((span) => [span.name, span.status])).toEqual([
      ["botanu.step/t", { code: 2, message: "inner" }],
      ["botanu.step/s", { code: 2, message: "inner" }],
      ["botanu.run/inner", { code: 2, message: "inner" }],
      ["botanu.run/outer", { code: 2, message: "inner" }],
    ]);
    const outer = recorder.spans.at(-1) as ReadableSpan;
    expect(completed(outer)).toMatchObject({ status: "failure", error_class: "TypeError" });
    const event = recorder.spans[0]?.events.find(({ name }) => name === "exception");
    expect(event?.attributes).toMatchObject({ "exception.type": "TypeError", "exception.message": "inner" });
    expect(event?.attributes?.["exception.stacktrace"]).toContain("run.test.ts");
  });

  it("is recorded once outside a run, and of steps beside each other once each", async () => {
    expect(() => step("a", () => step("b", () => fail("text")))).toThrow();
    expect(exceptions(recorder.spans)).toEqual(["botanu.step/b"]);
    recorder.spans.length = 0;
    await withRun({ workflow: "w" }, async () => {
      const [one] = await Promise.allSettled([
        step("one", async () => fail(new Error("1"))),
        step("two", async () => fail(new Error("2"))),
      ]);
      throw (one as PromiseRejectedResult).reason;
    }).catch(() => undefined);
    expect(exceptions(recorder.spans).toSorted()).toEqual(["botanu.step/one", "botanu.step/two"]);
  });

  it("is recorded again in another run", () => {
    const error = new Error("cached");
    for (const workflow of ["a", "b"]) expect(() => withRun({ workflow }, () => fail(error))).toThrow(error);
    expect(exceptions(recorder.spans)).toEqual(["botanu.run/a", "botanu.run/b"]);
  });

  it("is forgotten in a run that fails without end", () => {
    withRun({ workflow: "w" }, () => {
      for (let i = 0; i < 1_000; i++) expect(() => step("s", () => fail(new Error(String(i))))).toThrow();
    });
    expect(exceptions(recorder.spans)).toHaveLength(1_000);
  });

  it("names the class by the error's own name", () => {
    class PaymentError extends Error {
      override name = "PaymentError";
    }
    expect(() => withRun({ workflow: "w" }, () => fail(new PaymentError("p")))).toThrow();
    const coded = Object.assign(new Error("gone"), { code: "ECONNRESET" });
    expect(() => withRun({ workflow: "w" }, () => fail(coded))).toThrow();
    expect(() => withRun({ workflow: "w" }, () => fail("text"))).toThrow();
    expect(recorder.spans.map((span) => completed(span)["error_class"])).toEqual(["PaymentError", "Error", "string"]);
  });
});

function fail(error: unknown): never {
  throw error;
}

describe("withRun: how it ended", () => {
  const past = (): number => Date.now() - 1;
  const ahead = (): number => Date.now() + 60_000;
  const aborted = new DOMException("aborted", "AbortError");
  const cases: Array<[string, Partial<WithRunOptions>, unknown, RunStatus]> = [
    ["an abort after the deadline", { deadline: past() }, aborted, "timeout"],
    ["a timeout after the deadline", { deadline: past() }, new DOMException("late", "TimeoutError"), "timeout"],
    ["a cause that timed out after the deadline", { deadline: past() }, causeOf("UND_ERR_HEADERS_TIMEOUT"), "timeout"],
    ["a socket that timed out after the deadline", { deadline: past() }, causeOf("ETIMEDOUT"), "timeout"],
    ["a timeout after deadline and abort", { deadline: past(), signal: AbortSignal.abort() }, aborted, "timeout"],
    ["another error after the deadline", { deadline: past() }, new Error("bug"), "failure"],
    ["an abort before the deadline", { deadline: ahead() }, aborted, "failure"],
    ["an abort without deadline", {}, aborted, "failure"],
    ["an error after the caller went", { signal: AbortSignal.abort() }, new Error("any"), "canceled"],
    ["an error while the caller waits", { signal: new AbortController().signal }, new Error("any"), "failure"],
  ];
  it.each(cases)("%s", (_, options, error, status) => {
    expect(() => withRun({ workflow: "w", ...options }, () => fail(error))).toThrow();
    const span = only(recorder.spans);
    expect(completed(span)["status"]).toBe(status);
    expect(span.status.code).toBe(status === "canceled" ? 0 : 2);
    expect(exceptions(recorder.spans)).toHaveLength(1);
  });

  it("a cancelled run is canceled however it returns", () => {
    const context = setRun(ROOT_CONTEXT, cancelRun(createRun({ workflow: "w" })));
    withRun({ workflow: "w", context }, () => "ignored the flag");
    expect(() => withRun({ workflow: "w", context }, () => fail(aborted))).toThrow();
    for (const span of recorder.spans) {
      expect(completed(span)["status"]).toBe("canceled");
      expect(span.attributes["botanu.run.cancelled"]).toBe(true);
    }
  });

  it("the result may say so", async () => {
    const status = (result: unknown): RunStatus => (result === 1 ? "success" : "partial");
    withRun({ workflow: "w", status }, () => 1);
    await withRun({ workflow: "w", status }, async () => 2);
    withRun({ workflow: "w", status: () => fail("broken") }, () => 3);
    expect(recorder.spans.map((span) => completed(span)["status"])).toEqual(["success", "partial", "success"]);
    expect(warnings).toHaveLength(1);
  });
});

function causeOf(code: string): Error {
  return new TypeError("fetch failed", {
    cause: new Error("inner", { cause: Object.assign(new Error("x"), { code }) }),
  });
}

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
    const { tracer, spans } = record();
    const span = tracer.startSpan("theirs");
    const context = setSpan(ROOT_CONTEXT, span);
    expect(() => withRun({ workflow: "w", context }, () => fail(new Error("x")))).toThrow();
    step("s", () => undefined, context);
    expect(span.isRecording()).toBe(true);
    span.end();
    expect(only(spans).events).toEqual([]);
    expect(only(spans).attributes).toEqual({});
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
