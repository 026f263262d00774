import { describe, expect, it } from "vitest";
import { formatBaggage, joinMembers, parseBaggage, scanBaggage } from "./baggage.ts";

describe("members that come in", () => {
  it("keep order and repeated keys, and are decoded", () => {
    expect(parseBaggage("b=1,a=%C3%A4,b=2")).toEqual([
      { key: "b", value: "1" },
      { key: "a", value: "ä" },
      { key: "b", value: "2" },
    ]);
  });

  it.each([
    ["no header", ""],
    ["separators alone", " ,, ;,\t"],
    ["a key without a value", "key"],
    ["no key", "=v"],
    ["no key behind whitespace", "  = v"],
    ["a key with a space", "a b=c"],
    ["a property that is malformed", "k=v;p x"],
    ["an empty property", "k=v;"],
  ])("are none in %s", (_title, header) => {
    expect(parseBaggage(header)).toEqual([]);
  });

  it.each([
    ["around a member", " k=v\t,\t", [{ key: "k", value: "v" }]],
    ["around the equals sign", "k \t= \tv", [{ key: "k", value: "v" }]],
    ["before an empty value", "k = ", [{ key: "k", value: "" }]],
    [
      "around properties and in them",
      "k=v ; p = 1 ;\tq",
      [{ key: "k", value: "v", properties: [{ key: "p", value: "1" }, { key: "q" }] }],
    ],
  ])("may have whitespace %s", (_title, header, members) => {
    expect(parseBaggage(header)).toEqual(members);
  });

  it("are given to a visitor as they stand on the wire", () => {
    const seen: unknown[] = [];
    scanBaggage("k = %41 ;p=%42, l=2", (...member) => seen.push(member));
    expect(seen).toEqual([
      ["k = %41 ;p=%42", "k", "%41", [{ key: "p", value: "%42" }]],
      ["l=2", "l", "2", []],
    ]);
  });

  it("are read whole within 16,384 characters, and not beyond", () => {
    const member = `k=${"x".repeat(998)}`;
    expect(parseBaggage(Array.from({ length: 100 }, () => member).join())).toHaveLength(16);
    expect(parseBaggage(`k=${"x".repeat(20_000)}`)).toEqual([]);
  });
});

describe("members that go out", () => {
  it("are encoded, with their properties", () => {
    const properties = [{ key: "p" }, { key: "q", value: "a;b" }];
    expect(formatBaggage([{ key: "k", value: "ä,=+", properties }])).toBe("k=%C3%A4%2C%3D%2B;p;q=a%3Bb");
  });

  it("are left out with a key that is no token, their own or a property's", () => {
    const broken = [
      { key: "a=b", value: "1" },
      { key: "", value: "1" },
      { key: "k", value: "1", properties: [{ key: "p=q" }] },
    ];
    expect(formatBaggage([...broken, { key: "ok", value: "1" }])).toBe("ok=1");
  });

  it("may come from anything that can be iterated", () => {
    expect(formatBaggage(new Set([{ key: "a", value: "1" }]))).toBe("a=1");
  });

  it("are 64 at most", () => {
    const members = Array.from({ length: 70 }, (_, index) => `k${index}=v`);
    const { header, left } = joinMembers(members);
    expect([header.split(",").length, left]).toEqual([64, 6]);
  });

  it("have 8,192 bytes at most, and none is cut", () => {
    const member = `k=${"x".repeat(998)}`;
    const { header, left } = joinMembers(Array.from({ length: 10 }, () => member));
    expect([header.length, left]).toEqual([8 * 1000 + 7, 2]);
    expect(joinMembers([`k=${"x".repeat(8191)}`])).toEqual({ header: "", left: 1 });
    expect(joinMembers([])).toEqual({ header: "", left: 0 });
  });
});
