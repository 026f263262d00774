import { describe, expect, it } from "vitest";
import { completed, exceptions, fail, recordEachTest } from "../test/recording.ts";
import { withRun } from "./run.ts";
import { step } from "./step.ts";
import type { ReadableSpan } from "./types.ts";

const recorder = recordEachTest();

describe("what is thrown", () => {
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
    expect(event?.attributes?.["exception.stacktrace"]).toContain("failure.test.ts");
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
