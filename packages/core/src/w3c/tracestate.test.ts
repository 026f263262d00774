import { describe, expect, it } from "vitest";
import { createTraceState, formatTracestate, parseTracestate } from "./tracestate.ts";

const many = (count: number, size = 1): string =>
  Array.from({ length: count }, (_, index) => `k${index}=${"v".repeat(size)}`).join();

describe("a list that comes in", () => {
  it.each([
    ["its members in order", "b=1,a=2", ["b=1", "a=2"]],
    ["the first of the same key", "a=1,b=2,a=3", ["a=1", "b=2"]],
    ["nothing of empty members", ",a=1,, \t ,", ["a=1"]],
    ["values with spaces inside and in front", "a=  x y", ["a=  x y"]],
    ["keys of tenants and systems", "1a-_*/@b=1", ["1a-_*/@b=1"]],
    ["a key and a value of 256 characters", `${"k".repeat(256)}=${"v".repeat(256)}`, undefined],
  ])("gives %s", (_title, header, members = [header]) => {
    expect(parseTracestate(header)?.map(({ key, value }) => `${key}=${value}`)).toEqual(members);
  });

  it.each([
    ["a key that is too long", `${"k".repeat(257)}=v`],
    ["a value that is too long", `k=${"v".repeat(257)}`],
    ["upper case in a key", "K=v"],
    ["no value", "k=,a=1"],
    ["a value of spaces", "k=  ,a=1"],
    ["a character beyond ASCII", "k=ä"],
    ["a control", "k=\u0001"],
    ["no key", "=v"],
    ["33 members", many(33)],
  ])("is none with %s", (_title, header) => {
    expect(parseTracestate(header)).toBeUndefined();
    expect(createTraceState(header).serialize()).toBe("");
  });

  it("is empty without members", () => {
    expect(parseTracestate("")).toEqual([]);
  });
});

describe("a list that goes out", () => {
  it("has the members that are valid", () => {
    const members = [
      { key: "a", value: "1" },
      { key: "B", value: "2" },
      { key: "c", value: "x,y" },
      { key: "d", value: "4" },
    ];
    expect(formatTracestate(members)).toBe("a=1,d=4");
  });

  it("has 32 at most, the left-most", () => {
    const members = Array.from({ length: 40 }, (_, index) => ({ key: `k${index}`, value: "v" }));
    expect(formatTracestate(members)).toBe(many(32));
  });

  it("over 512 characters loses large members first, then from the right", () => {
    const small = Array.from({ length: 6 }, (_, index) => ({ key: `k${index}`, value: "v".repeat(96) }));
    const large = { key: "large", value: "v".repeat(200) };
    const written = formatTracestate([large, ...small]);
    expect(written.length).toBeLessThanOrEqual(512);
    expect(written.split(",").map((member) => member.slice(0, 2))).toEqual(["k0", "k1", "k2", "k3", "k4"]);
  });
});

describe("trace state", () => {
  it("is unchanged as it came, whitespace and repeated keys too", () => {
    const header = "a=1 ,\ta=2,b=3,";
    expect(createTraceState(header).serialize()).toBe(header);
  });

  it("puts what is set left-most, once", () => {
    expect(createTraceState("a=1,b=2").set("b", "3").serialize()).toBe("b=3,a=1");
  });

  it("is not changed by a member that is none", () => {
    const state = createTraceState("a=1");
    expect(state.set("B", "2")).toBe(state);
    expect(state.set("b", "x,y")).toBe(state);
  });

  it("gives what it has, and takes out what is asked", () => {
    const state = createTraceState("ab=1,a=2");
    expect([state.get("a"), state.get("ab"), state.get("c")]).toEqual(["2", "1", undefined]);
    expect(state.unset("a").serialize()).toBe("ab=1");
    expect(state.unset("c")).toBe(state);
    expect(state.serialize()).toBe("ab=1,a=2");
  });

  it("is empty without a header", () => {
    expect(createTraceState().serialize()).toBe("");
  });
});
