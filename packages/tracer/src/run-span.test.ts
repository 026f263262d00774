import { cancelRun, createRun, ROOT_CONTEXT, RUN_ID, setRun } from "@botanu/core";
import { describe, expect, it } from "vitest";
import { completed, exceptions, fail, only, recordEachTest } from "../test/recording.ts";
import { withRun, type WithRunOptions } from "./run.ts";
import { endRunSpan, type RunStatus, startRunSpan } from "./run-span.ts";
import { setSpan, wrapSpanContext } from "./span.ts";
import { step } from "./step.ts";
import { type ReadableSpan, SpanKind } from "./types.ts";

const recorder = recordEachTest();

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
    withRun({ workflow: "w" }, () => step("one", () => recorder.tracer.startSpan("query").end()));
    const [query, one, run] = recorder.spans as [ReadableSpan, ReadableSpan, ReadableSpan];
    expect([query.name, one.name, run.name]).toEqual(["query", "botanu.step/one", "botanu.run/w"]);
    expect(query.parentSpanContext?.spanId).toBe(one.spanContext().spanId);
    expect(one.parentSpanContext?.spanId).toBe(run.spanContext().spanId);
    for (const span of recorder.spans) expect(span.attributes[RUN_ID]).toBe(run.attributes[RUN_ID]);
  });

  it("takes the environment from the tracer's resource when no one says", () => {
    const tracer = recorder.withOptions({ resource: { "deployment.environment.name": "staging" } });
    expect(withRun({ workflow: "w", tracer }, (run) => run.environment)).toBe("staging");
    expect(withRun({ workflow: "w", tracer, environment: "qa" }, (run) => run.environment)).toBe("qa");
    expect(withRun({ workflow: "w" }, (run) => run.environment)).toBe("unknown");
  });

  it("keeps a deadline as whole milliseconds, and leaves out what is none", () => {
    expect(withRun({ workflow: "w", deadline: 1_800_000_000_000.7 }, (run) => run.deadline)).toBe(1_800_000_000_000);
    for (const deadline of [Number.NaN, -1, Infinity, 0]) {
      expect(withRun({ workflow: "w", deadline }, (run) => run.deadline)).toBeUndefined();
    }
    expect(recorder.warnings).toHaveLength(1);
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
    expect(recorder.warnings).toHaveLength(1);
  });
});

function causeOf(code: string): Error {
  return new TypeError("fetch failed", {
    cause: new Error("inner", { cause: Object.assign(new Error("x"), { code }) }),
  });
}

describe("startRunSpan and endRunSpan", () => {
  it("measure by the clock that they are given", () => {
    let now = 1_800_000_000_000.25;
    const run = createRun({ workflow: "w" });
    const runSpan = startRunSpan(recorder.tracer, run, ROOT_CONTEXT, SpanKind.INTERNAL, () => now);
    now += 12.5;
    endRunSpan(runSpan);
    expect(only(recorder.spans).attributes).toMatchObject({
      "botanu.run.start_time": "2027-01-15T08:00:00.000Z",
      "botanu.run.duration_ms": 12.5,
    });
  });

  it("end once, and never before the start", () => {
    let now = 1_800_000_000_000;
    const runSpan = startRunSpan(recorder.tracer, createRun({ workflow: "w" }), ROOT_CONTEXT, 0, () => now--);
    endRunSpan(runSpan, { status: "partial" });
    endRunSpan(runSpan, { error: new Error("late") });
    const span = only(recorder.spans);
    expect(completed(span)).toMatchObject({ status: "partial", duration_ms: 0 });
    expect(span.status.code).toBe(0);
    expect(recorder.warnings).toEqual([]);
  });

  it.each<[RunStatus, number]>([
    ["success", 0],
    ["partial", 0],
    ["canceled", 0],
    ["failure", 2],
    ["timeout", 2],
  ])("a given status of %s is status code %i", (status, code) => {
    endRunSpan(startRunSpan(recorder.tracer, createRun({ workflow: "w" }), ROOT_CONTEXT, 0), { status });
    expect(completed(only(recorder.spans))["status"]).toBe(status);
    expect(only(recorder.spans).status.code).toBe(code);
  });
});
