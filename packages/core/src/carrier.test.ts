import { describe, expect, it } from "vitest";
import { readCarrier, textOf, writeCarrier } from "./carrier.ts";

describe("a field", () => {
  it.each([
    ["Headers", new Headers({ Baggage: "a=1" }), "a=1"],
    ["a Map", new Map([["baggage", "a=1"]]), "a=1"],
    ["a record", { baggage: "a=1" }, "a=1"],
    ["a record, in another case", { other: "x", bAGGAGe: "a=1" }, "a=1"],
    ["a record of lists", { baggage: ["a=1", "b=2"] }, ["a=1", "b=2"]],
    ["a record without it", { baggages: "a=1" }, undefined],
    ["Headers without it", new Headers(), null],
  ])("is read from %s", (_title, carrier, value) => {
    expect(readCarrier(carrier, "baggage")).toEqual(value);
  });

  it("is written to each, and read again", () => {
    for (const carrier of [new Headers(), new Map<string, unknown>(), {}]) {
      writeCarrier(carrier, "baggage", "a=1");
      expect(readCarrier(carrier, "baggage")).toBe("a=1");
    }
  });
});

describe("the text of a value", () => {
  it.each([
    ["a text", "a=1", "a=1"],
    ["several headers", ["a=1", "b=2"], "a=1,b=2"],
    ["64 headers at most", Array.from({ length: 100 }, () => "a"), Array.from({ length: 64 }, () => "a").join()],
    ["bytes", new TextEncoder().encode("ä=1"), "ä=1"],
    ["bytes as numbers", [0xc3, 0xa4], "ä"],
    ["an attribute of SQS", { DataType: "String", StringValue: "a=1" }, "a=1"],
    ["an attribute of a Lambda event", { dataType: "String", stringValue: "a=1" }, "a=1"],
    ["an attribute of SNS", { Type: "String", Value: "a=1" }, "a=1"],
    ["a value in a value", { value: { value: "a=1" } }, "a=1"],
    ["no headers", [], ""],
  ])("is that of %s", (_title, value, text) => {
    expect(textOf(value)).toBe(text);
  });

  it.each([undefined, null, 7, true, Symbol("s"), () => "a=1", {}, { other: "a=1" }])("is none of %s", (value) => {
    expect(textOf(value)).toBeUndefined();
  });
});
