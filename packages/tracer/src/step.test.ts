import { getRun, inject, ROOT_CONTEXT } from "@botanu/core";
import { describe, expect, it } from "vitest";
import { recordEachTest } from "../test/recording.ts";
import { activeRun, withRun } from "./run.ts";
import { step } from "./step.ts";
import { SpanKind } from "./types.ts";

const recorder = recordEachTest();

const steps = (): unknown[] => recorder.spans.map((span) => [span.name, span.attributes["botanu.step"]]);

describe("step", () => {
  it("names every span below it, and what the run sends on, until it is over", () => {
    const headers = new Headers();
    withRun({ workflow: "w" }, () => {
      const result = step("retrieval", () => {
        recorder.tracer.startSpan("query").end();
        inject({ run: activeRun() }, headers);
        return "found";
      });
      expect(result).toBe("found");
      expect(activeRun()?.step).toBeUndefined();
      recorder.tracer.startSpan("after").end();
    });
    expect(steps()).toEqual([
      ["query", "retrieval"],
      ["botanu.step/retrieval", "retrieval"],
      ["after", undefined],
      ["botanu.run/w", undefined],
    ]);
    expect(recorder.spans[1]?.kind).toBe(SpanKind.INTERNAL);
    expect(headers.get("baggage")).toContain("botanu.step=retrieval");
  });

  it("nests: the innermost counts", () => {
    withRun({ workflow: "w" }, () =>
      step("outer", () => {
        step("inner", () => recorder.tracer.startSpan("in inner").end());
        recorder.tracer.startSpan("in outer").end();
      }),
    );
    expect(steps().slice(0, 4)).toEqual([
      ["in inner", "inner"],
      ["botanu.step/inner", "inner"],
      ["in outer", "outer"],
      ["botanu.step/outer", "outer"],
    ]);
  });

  it("lasts as long as its promise or its iteration", async () => {
    await withRun({ workflow: "w" }, async () => {
      const seen: unknown[] = [];
      const values = step("read", async function* () {
        await Promise.resolve();
        yield activeRun()?.step;
      });
      for await (const value of values) seen.push([value, activeRun()?.step, recorder.spans.length]);
      expect(seen).toEqual([["read", undefined, 0]]);
      expect(recorder.spans).toHaveLength(1);
      await step("wait", () => new Promise((resolve) => setImmediate(resolve)));
      expect(recorder.spans).toHaveLength(2);
    });
  });

  it("fails with what is thrown, which passes through", () => {
    const error = new RangeError("no");
    expect(() =>
      step("s", () => {
        throw error;
      }),
    ).toThrow(error);
    expect(recorder.spans[0]?.status).toEqual({ code: 2, message: "no" });
    expect(recorder.spans[0]?.events.map(({ name }) => name)).toEqual(["exception"]);
  });

  it("is a span alone outside a run", () => {
    step("s", (context) => {
      expect(getRun(context)).toBeUndefined();
      recorder.tracer.startSpan("below").end();
    });
    expect(steps()).toEqual([
      ["below", undefined],
      ["botanu.step/s", "s"],
    ]);
  });

  it("works on a given context", () => {
    withRun({ workflow: "w", context: ROOT_CONTEXT }, (_, inRun) =>
      step("s", (inStep) => recorder.tracer.startSpan("below", {}, inStep).end(), inRun),
    );
    expect(steps()[0]).toEqual(["below", "s"]);
  });

  it.each(["", undefined, 7])("refuses %j as a name", (name) => {
    expect(() => step(name as string, () => expect.unreachable())).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });

  it("keeps steps beside each other apart", async () => {
    await withRun({ workflow: "w" }, () =>
      Promise.all(
        Array.from({ length: 300 }, (_, index) =>
          step(`s${index}`, async () => {
            for (let i = 0; i < index % 4; i++) await new Promise((resolve) => setImmediate(resolve));
            expect(activeRun()?.step).toBe(`s${index}`);
          }),
        ),
      ),
    );
    expect(new Set(recorder.spans.map((span) => span.attributes["botanu.step"])).size).toBe(301);
  });
});
