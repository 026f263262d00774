import { describe, expect, it } from "vitest";
import { createSpanId, createTraceId } from "./ids.ts";
import { createRunId, parseRunId } from "./run-id.ts";

describe("a run id", () => {
  it("is a UUID of version 7 with the time that it was made", () => {
    const time = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
    const id = createRunId(time);
    expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(time);
    expect(parseRunId(id)).toBe(id);
  });

  it("sorts by time, from the epoch to the end of its 48 bits", () => {
    const times = [0, 1, 1e12, Date.now() + 0.75, 2 ** 48 - 1];
    const ids = times.map((time) => createRunId(time));
    expect(ids.toSorted()).toEqual(ids);
    expect(ids.map((id) => id.length)).toEqual(times.map(() => 36));
  });

  it("differs from the one before, in the same millisecond too", () => {
    expect(new Set(Array.from({ length: 1000 }, () => createRunId(5))).size).toBe(1000);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("may be of version %i when it comes in", (version) => {
    const id = `019A2F6E-7C11-${version}E3F-A557-0D7BE0A5B1C2`;
    expect(parseRunId(id)).toBe(id.toLowerCase());
  });

  it.each([
    undefined,
    null,
    7,
    {},
    "",
    "019a2f6e7c117e3fa5570d7be0a5b1c2",
    "00000000-0000-0000-0000-000000000000",
    "019a2f6e-7c11-9e3f-a557-0d7be0a5b1c2",
    "019a2f6e-7c11-7e3f-c557-0d7be0a5b1c2",
    " 019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2",
    "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2\n",
    "019a2f6e-7c11-7e3f-a557-0d7be0a5b1cg",
  ])("is none of %j", (text) => {
    expect(parseRunId(text)).toBeUndefined();
  });
});

describe("ids of spans and traces", () => {
  it("are hex of their length, and never the same", () => {
    const spans = Array.from({ length: 2000 }, createSpanId);
    const traces = Array.from({ length: 500 }, createTraceId);
    expect(spans.every((id) => /^[\da-f]{16}$/.test(id))).toBe(true);
    expect(traces.every((id) => /^[\da-f]{32}$/.test(id))).toBe(true);
    expect(new Set([...spans, ...traces]).size).toBe(2500);
  });

  it("are never all zero, whatever the source of randomness gives", () => {
    const { getRandomValues } = crypto;
    crypto.getRandomValues = (array) => (array as unknown as BigUint64Array).fill(0n) as never;
    try {
      // What was drawn before is used up first.
      const ids = Array.from({ length: 600 }, createSpanId);
      expect(ids.at(-1)).toBe("0000000000000001");
      expect(ids).not.toContain("0000000000000000");
    } finally {
      crypto.getRandomValues = getRandomValues;
    }
  });
});
