import { createRun } from "@botanu/core";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";

import { generateProgram } from "./generator.ts";
import { perform, REMOTE, type Call, type Program, type Subject } from "./program.ts";
import { createOurs, SpanCollector, subjectOf } from "./subject.ts";
import { PROGRAMS } from "./table.ts";

function createTheirs(limits: Program["limits"]): Subject {
  const collector = new SpanCollector();
  const provider = new BasicTracerProvider({ spanProcessors: [collector], ...(limits && { spanLimits: limits }) });
  return subjectOf(provider.getTracer("differential"), collector);
}

const START: Call = { call: "start", name: "s", options: { startTime: [1_795_415_461, 0] } };
const END: Call = { call: "end", on: 0, time: [1_795_415_462, 0] };

describe("the same calls leave the same spans as on the SDK 2.x", () => {
  it.each(PROGRAMS)("$title", (program) => {
    expect(perform(program, createOurs(program.limits))).toEqual(perform(program, createTheirs(program.limits)));
  });

  it.each([
    ["valid", {}],
    ["with empty keys and values of other types", { keys: true, values: true }],
  ])("500 generated programs, %s", (_title, odd) => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const program = generateProgram(seed, odd);
      const ours = perform(program, createOurs(program.limits));
      expect(ours, program.title).toEqual(perform(program, createTheirs(program.limits)));
      expect(ours.length, program.title).toBeGreaterThan(0);
    }
  });

  it("the comparison can fail", () => {
    const program = { title: "changed", calls: [START, { ...START, name: "t" }, END] };
    const other = { title: "changed", calls: [START, { ...START, name: "t" }, { ...END, on: 1 }] };
    expect(perform(program, createOurs(undefined))).not.toEqual(perform(other, createTheirs(undefined)));
  });
});

// Everything in which we differ on purpose. Each test shows both sides, so that none can outlive its reason.
describe("differs from the SDK 2.x on purpose", () => {
  const both = (calls: readonly Call[]) => {
    const program = { title: "difference", calls };
    return { ours: perform(program, createOurs(undefined))[0], theirs: perform(program, createTheirs(undefined))[0] };
  };

  it("the random flag is set on a new trace, and kept from a parent", () => {
    const flags = (subject: Subject, traceFlags: number) => [
      subject.startSpan("new", {}, subject.rootContext).spanContext().traceFlags,
      subject
        .startSpan("child", {}, subject.contextWithRemote(subject.rootContext, { ...REMOTE.remote, traceFlags }))
        .spanContext().traceFlags,
    ];
    expect(flags(createOurs(undefined), 3)).toEqual([3, 3]);
    expect(flags(createOurs(undefined), 1)).toEqual([3, 1]);
    expect(flags(createTheirs(undefined), 3)).toEqual([1, 1]);
  });

  it("the run's attributes are on every span of a run, and nothing else is different there", () => {
    const run = createRun({ workflow: "w", eventId: "e", customerId: "c", environment: "test" });
    for (const program of PROGRAMS.filter(({ limits }) => limits === undefined)) {
      const ours = perform(program, createOurs(undefined, run)).map(({ attributes, ...rest }) => {
        const of = (ours: boolean) => Object.entries(attributes).filter(([key]) => key.startsWith("botanu.") === ours);
        expect(Object.fromEntries(of(true)), program.title).toEqual({
          "botanu.run_id": run.runId,
          "botanu.workflow": "w",
          "botanu.event_id": "e",
          "botanu.customer_id": "c",
          "botanu.environment": "test",
        });
        return { ...rest, attributes: Object.fromEntries(of(false)) };
      });
      expect(ours, program.title).toEqual(perform(program, createTheirs(undefined)));
    }
  });

  it("null and undefined are no values, on events and links either", () => {
    const { ours, theirs } = both([
      START,
      { call: "addEvent", on: 0, name: "e", attributes: { a: null, b: undefined, c: 1 }, time: [1_795_415_461, 1] },
      END,
    ]);
    expect(ours?.events).toMatchObject([{ attributes: { c: 1 } }]);
    expect(theirs?.events).toMatchObject([{ attributes: { a: null, b: undefined, c: 1 } }]);
  });

  it("the key __proto__ is refused and takes no place", () => {
    const { ours, theirs } = both([START, { call: "setAttribute", on: 0, key: "__proto__", value: ["x"] }, END]);
    expect([ours?.attributes, ours?.dropped.attributes]).toEqual([{}, 0]);
    expect(theirs?.attributes).toEqual({});
  });
});
