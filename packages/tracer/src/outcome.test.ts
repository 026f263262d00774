import { createRun, ROOT_CONTEXT, setRun } from "@botanu/core";
import { describe, expect, it } from "vitest";
import { recordEachTest } from "../test/recording.ts";
import { emitOutcome, type Outcome, setCorrelation } from "./outcome.ts";
import { withRun } from "./run.ts";
import { step } from "./step.ts";
import type { Attributes, ReadableSpan } from "./types.ts";

const recorder = recordEachTest();

/** The attributes with a prefix, and the outcome events, of the span of a name. */
function read(name: string, prefix: string): [Attributes, unknown[]] {
  const span = recorder.spans.find((each) => each.name === name) as ReadableSpan;
  const found = Object.entries(span.attributes).filter(([key]) => key.startsWith(prefix));
  const events = span.events.filter((event) => event.name === "botanu.outcome_emitted");
  return [Object.fromEntries(found), events.map(({ attributes }) => attributes)];
}

const full: Outcome = {
  valueType: "tickets_resolved",
  valueAmount: 1.5,
  confidence: 0.9,
  reason: "answered",
  errorType: "none",
};

describe("emitOutcome", () => {
  it("puts the outcome on the run span, from wherever it is called", async () => {
    await withRun({ workflow: "w" }, async () => {
      await Promise.resolve();
      step("s", () => emitOutcome(full));
    });
    expect(read("botanu.run/w", "botanu.outcome.")).toEqual([
      {
        "botanu.outcome.value_type": "tickets_resolved",
        "botanu.outcome.value_amount": 1.5,
        "botanu.outcome.confidence": 0.9,
        "botanu.outcome.reason": "answered",
        "botanu.outcome.error_type": "none",
      },
      [{ value_type: "tickets_resolved", value_amount: 1.5, error_type: "none" }],
    ]);
    expect(read("botanu.step/s", "botanu.outcome.")).toEqual([{}, []]);
  });

  it("goes to the innermost run, or to the run of the given context", () => {
    withRun({ workflow: "outer" }, (_, context) =>
      withRun({ workflow: "inner" }, () => {
        emitOutcome({ valueAmount: 1 });
        emitOutcome({ valueAmount: 2 }, context);
      }),
    );
    expect(read("botanu.run/inner", "botanu.outcome.")[0]).toEqual({ "botanu.outcome.value_amount": 1 });
    expect(read("botanu.run/outer", "botanu.outcome.")[0]).toEqual({ "botanu.outcome.value_amount": 2 });
  });

  it("goes to the active span where the run span is elsewhere", () => {
    const context = setRun(ROOT_CONTEXT, createRun({ workflow: "theirs" }));
    step("s", (inStep) => emitOutcome({ reason: "r" }, inStep), context);
    expect(read("botanu.step/s", "botanu.outcome.")[0]).toEqual({ "botanu.outcome.reason": "r" });
    emitOutcome({ reason: "nowhere" });
  });

  it("overwrites what it names again", () => {
    withRun({ workflow: "w" }, () => {
      emitOutcome({ valueAmount: 1, reason: "kept" });
      emitOutcome({ valueAmount: 0 });
    });
    const [attributes, events] = read("botanu.run/w", "botanu.outcome.");
    expect(attributes).toEqual({ "botanu.outcome.value_amount": 0, "botanu.outcome.reason": "kept" });
    expect(events).toHaveLength(2);
  });

  it.each<[string, unknown, number]>([
    ["a text for an amount", { valueAmount: "12" }, 2],
    ["an amount without end", { valueAmount: Infinity }, 2],
    ["no number", { valueAmount: Number.NaN, confidence: Number.NaN }, 3],
    ["a confidence over one", { confidence: 1.01 }, 2],
    ["a confidence below zero", { confidence: -0.1 }, 2],
    ["an empty text", { valueType: "" }, 2],
    ["an object for a text", { reason: { a: 1 } }, 2],
    ["a field of no outcome", { status: "success" }, 1],
    ["nothing", undefined, 1],
    ["null", null, 1],
    ["a text", "success", 1],
    [
      "a getter that throws",
      {
        get reason(): string {
          throw new Error("getter");
        },
      },
      2,
    ],
  ])("leaves out %s, and says so once", (_, outcome, expected) => {
    withRun({ workflow: "w" }, () => {
      for (let i = 0; i < 3; i++) emitOutcome(outcome as Outcome);
    });
    expect(read("botanu.run/w", "botanu.outcome.")).toEqual([{}, []]);
    expect(recorder.warnings).toHaveLength(expected);
  });

  it("keeps what is valid beside what is not", () => {
    withRun({ workflow: "w" }, () => emitOutcome({ valueAmount: 3, confidence: 7 }));
    expect(read("botanu.run/w", "botanu.outcome.")[0]).toEqual({ "botanu.outcome.value_amount": 3 });
    expect(recorder.warnings).toEqual([expect.stringContaining("confidence")]);
  });
});

describe("setCorrelation", () => {
  it("puts the ids on the run span", () => {
    withRun({ workflow: "w" }, () =>
      step("s", () => setCorrelation({ zendesk: "4711", stripe_charge: "ch_1", jira_id: "J-1" })),
    );
    expect(read("botanu.run/w", "botanu.correlation.")[0]).toEqual({
      "botanu.correlation.zendesk_id": "4711",
      "botanu.correlation.stripe_charge_id": "ch_1",
      "botanu.correlation.jira_id": "J-1",
    });
  });

  it.each<[string, unknown]>([
    ["a number", { zendesk: 4711 }],
    ["an empty id", { zendesk: "" }],
    ["a name with a dot", { "zen.desk": "1" }],
    ["a name in capitals", { Zendesk: "1" }],
    ["a name without end", { ["z".repeat(65)]: "1" }],
  ])("leaves out %s, and says so once", (_, ids) => {
    withRun({ workflow: "w" }, () => {
      for (let i = 0; i < 3; i++) setCorrelation(ids as Record<string, string>);
    });
    expect(read("botanu.run/w", "botanu.correlation.")[0]).toEqual({});
    expect(recorder.warnings).toHaveLength(1);
  });

  it.each([undefined, null, 7])("takes %s for nothing", (ids) => {
    withRun({ workflow: "w" }, () => setCorrelation(ids as never));
    expect(read("botanu.run/w", "botanu.correlation.")[0]).toEqual({});
  });
});
