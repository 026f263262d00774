import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setDiag } from "./diag.ts";
import {
  cancelRun,
  createRetry,
  createRun,
  deadlineSignal,
  readRun,
  remainingMillis,
  runAttributes,
  runValues,
  withStep,
} from "./run.ts";

let warnings: string[];
beforeEach(() => {
  warnings = [];
  setDiag({ warn: (message) => warnings.push(message), error: (message) => warnings.push(message) });
});
afterEach(() => setDiag());

describe("a new run", () => {
  it("is its own root and its first attempt, and cannot be changed", () => {
    const run = createRun({ workflow: "order" });
    expect(run).toMatchObject({ environment: "unknown", rootRunId: run.runId, attempt: 1, cancelled: false });
    expect(Object.isFrozen(run)).toBe(true);
  });

  it("has the id that it is given, if that is one", () => {
    const runId = "019A2F6E-7C11-8E3F-A557-0D7BE0A5B1C2";
    expect(createRun({ workflow: "w", runId })).toMatchObject({
      runId: runId.toLowerCase(),
      rootRunId: runId.toLowerCase(),
    });
    expect(createRun({ workflow: "w", runId: "mine" }).runId).toMatch(/^[\da-f-]{36}$/);
  });

  it("takes from its parent what it is not given", () => {
    const parent = createRun({
      workflow: "order",
      eventId: "e",
      customerId: "acme",
      environment: "test",
      tenantId: "eu",
      deadline: 1e12,
    });
    const nested = createRun({ workflow: "refund", parent, eventId: "e2", deadline: 2e12 + 0.5 });
    expect(nested).toMatchObject({
      parentRunId: parent.runId,
      rootRunId: nested.runId,
      eventId: "e2",
      customerId: "acme",
      environment: "test",
      tenantId: "eu",
      deadline: 2e12,
    });
    expect(createRun({ workflow: "w", parent }).deadline).toBe(1e12);
  });

  it.each(["", "a\u0000b", "x".repeat(257), "€".repeat(86), undefined, 7])(
    "is refused with the workflow %j",
    (workflow) => {
      expect(() => createRun({ workflow: workflow as string })).toThrow(
        expect.objectContaining({ name: "BotanuError", code: "ERR_INVALID_OPTION", message: "invalid workflow" }),
      );
    },
  );

  it.each(["x".repeat(256), "€".repeat(85), "ä".repeat(128)])("has a workflow of up to 256 bytes: %s", (workflow) => {
    expect(createRun({ workflow }).workflow).toBe(workflow);
  });

  it("leaves out ids that cannot travel, and says so once per key", () => {
    const diag = { warn: (message: string) => warnings.push(message), error: () => undefined };
    for (let count = 0; count < 2; count++) {
      const run = createRun({ workflow: "w", eventId: "a\nb", customerId: "x".repeat(300), tenantId: "a b", diag });
      expect([run.eventId, run.customerId, run.tenantId]).toEqual([undefined, undefined, "a b"]);
    }
    expect(warnings).toEqual(["eventId left out: invalid", "customerId left out: invalid", "tenantId has a space"]);
  });

  it.each([0, -5, Number.NaN, Infinity, 1e15])("has no deadline of %d", (deadline) => {
    expect(createRun({ workflow: "w", deadline }).deadline).toBeUndefined();
  });
});

describe("a run that goes on", () => {
  const first = createRun({ workflow: "order", eventId: "e", deadline: 1e12 });

  it("is tried again under a new id, with all that the attempts share", () => {
    const third = createRetry(createRetry(withStep(cancelRun(first), "pay")));
    expect(third).toMatchObject({
      eventId: "e",
      deadline: 1e12,
      rootRunId: first.runId,
      attempt: 3,
      cancelled: false,
      step: undefined,
    });
    expect(third.retryOfRunId).not.toBe(first.runId);
    expect(Object.isFrozen(third)).toBe(true);
  });

  it("has the step that it is in, if that has a name", () => {
    expect(withStep(first, "pay").step).toBe("pay");
    expect(withStep(withStep(first, "pay"), "a\u0007b").step).toBeUndefined();
    expect(warnings).toEqual(["step left out: invalid"]);
  });

  it("has time until its deadline", () => {
    expect([remainingMillis(first, 1e12 - 5), remainingMillis(first, 1e12 + 5)]).toEqual([5, 0]);
    expect(remainingMillis(createRun({ workflow: "w" }))).toBeUndefined();
    expect(remainingMillis(createRun({ workflow: "w", deadline: Date.now() + 60_000 }))).toBeGreaterThan(50_000);
  });

  it("aborts at its deadline, and at once when it is cancelled", async () => {
    expect(deadlineSignal(createRun({ workflow: "w" }))).toBeUndefined();
    expect(deadlineSignal(cancelRun(first))?.aborted).toBe(true);
    const signal = deadlineSignal(first, 1e12 - 1);
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    expect(signal?.reason).toMatchObject({ name: "TimeoutError" });
  });
});

describe("a run as texts", () => {
  it.each([
    ["an attempt of 0", { 8: "0" }, { attempt: 1 }],
    ["an attempt that is no number", { 8: "2x" }, { attempt: 1 }],
    ["a deadline with a fraction", { 10: "1.5" }, { deadline: undefined }],
    ["a cancellation in capitals", { 11: "TRUE" }, { cancelled: true }],
    ["a cancellation of another word", { 11: "yes" }, { cancelled: false }],
    ["a root that is no id", { 7: "root" }, { rootRunId: "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2" }],
    ["an environment with a control", { 4: "a\u0000" }, { environment: "unknown" }],
  ])("is read with %s", (_title, overrides, expected) => {
    const texts: Array<string | undefined> = ["019A2F6E-7C11-7E3F-A557-0D7BE0A5B1C2", "order"];
    expect(readRun(Object.assign(texts, overrides))).toMatchObject(expected);
  });

  it("says only what does not go without saying", () => {
    const run = createRun({ workflow: "order" });
    expect(runValues(run).filter(Boolean)).toEqual([run.runId, "order", "unknown"]);
  });

  it("is on every span with what identifies it, and made once", () => {
    const run = withStep(createRetry(createRun({ workflow: "order", tenantId: "eu", deadline: 1e12 })), "pay");
    expect(runAttributes(run)).toEqual({
      "botanu.run_id": run.runId,
      "botanu.workflow": "order",
      "botanu.environment": "unknown",
      "botanu.tenant_id": "eu",
      "botanu.step": "pay",
    });
    expect(runAttributes(run)).toBe(runAttributes(run));
  });
});
