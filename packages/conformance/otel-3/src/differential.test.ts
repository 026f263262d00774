import {
  createOurs,
  generateProgram,
  perform,
  PROGRAMS,
  SpanCollector,
  subjectOf,
  type Call,
  type Program,
  type Subject,
} from "@botanu/conformance";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";

function createTheirs(limits: Program["limits"]): Subject {
  const collector = new SpanCollector();
  const provider = new TracerProvider({ spanProcessors: [collector], ...(limits && { spanLimits: limits }) });
  return subjectOf(provider.getTracer("differential"), collector);
}

describe("the same calls leave the same spans as on the SDK 3.x", () => {
  it.each(PROGRAMS)("$title", (program) => {
    expect(perform(program, createOurs(program.limits))).toEqual(perform(program, createTheirs(program.limits)));
  });

  it("500 generated programs", () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const program = generateProgram(seed);
      const ours = perform(program, createOurs(program.limits));
      expect(ours, program.title).toEqual(perform(program, createTheirs(program.limits)));
      expect(ours.length, program.title).toBeGreaterThan(0);
    }
  });
});

// What is different beyond the differences from the SDK 2.x. Each test shows both sides.
describe("differs from the SDK 3.x on purpose", () => {
  const START: Call = { call: "start", name: "s", options: { startTime: [1_795_415_461, 0] } };
  const END: Call = { call: "end", on: 0, time: [1_795_415_462, 0] };
  const both = (...calls: Call[]) => {
    const program = { title: "difference", calls: [START, ...calls, END] };
    return { ours: perform(program, createOurs(undefined))[0], theirs: perform(program, createTheirs(undefined))[0] };
  };

  it("values are those of API 1.9: objects are refused, where 3.x takes any value", () => {
    const { ours, theirs } = both({
      call: "setAttributes",
      on: 0,
      attributes: { a: { nested: 1 }, b: [1, "mixed"], c: 1 },
    });
    expect(ours?.attributes).toEqual({ c: 1 });
    expect(theirs?.attributes).toEqual({ a: { nested: 1 }, b: [1, "mixed"], c: 1 });
  });

  it("an attribute of a link without a key is no attribute; 3.x counts it as dropped", () => {
    const context = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 };
    const { ours, theirs } = both({ call: "addLink", on: 0, link: { context, attributes: { "": 1, a: 1 } } });
    expect(ours?.links).toMatchObject([{ attributes: { a: 1 }, dropped: 0 }]);
    expect(theirs?.links).toMatchObject([{ attributes: { a: 1 }, dropped: 1 }]);
  });

  it("the random flag is set on a new trace", () => {
    const flags = (subject: Subject) => subject.startSpan("new", {}, subject.rootContext).spanContext().traceFlags;
    expect([flags(createOurs(undefined)), flags(createTheirs(undefined))]).toEqual([3, 1]);
  });
});
