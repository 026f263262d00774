import { describe, expect, it } from "vitest";

import { clock, dateTime, duration, grouped, parseDuration, percent, plural, shortId } from "./quantities.ts";

describe("duration", () => {
  it.each([
    [0, "0 ms"],
    [-5, "0 ms"],
    [0.0004, "0 µs"],
    [0.85, "850 µs"],
    [0.9999, "1.0 ms"],
    [1.24, "1.2 ms"],
    [9.96, "10 ms"],
    [999.4, "999 ms"],
    [999.6, "1.00 s"],
    [1420, "1.42 s"],
    [12_340, "12.3 s"],
    [59_990, "1 min"],
    [185_000, "3 min 5 s"],
    [7_800_000, "2 h 10 min"],
    [273_600_000, "3 d 4 h"],
  ])("%f ms is %s", (millis, text) => {
    expect(duration(millis)).toBe(text);
  });
});

describe("percent", () => {
  it.each([
    [100, "100 %"],
    [99.99, "99.9 %"],
    [29.41, "29.4 %"],
    [0, "0 %"],
    [undefined, "–"],
  ])("%s is %s: it says 100 only when nothing is missing", (value, text) => {
    expect(percent(value)).toBe(text);
  });
});

describe("parseDuration", () => {
  it.each([
    ["30s", 30_000],
    ["15m", 900_000],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    ["250ms", 250],
    ["5", undefined],
    ["-5s", undefined],
    ["soon", undefined],
    ["", undefined],
  ])("%j is %s", (text, millis) => {
    expect(parseDuration(text)).toBe(millis);
  });
});

it("groups digits and counts nouns", () => {
  expect(grouped(1_234_567)).toBe("1,234,567");
  expect(plural(1, "span")).toBe("1 span");
  expect(plural(2000, "span")).toBe("2,000 spans");
});

it("shortens a run id to the part that differs within a minute", () => {
  expect(shortId("019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071")).toBe("4e5f6071");
});

it("tells the time", () => {
  const millis = Date.UTC(2026, 0, 2, 3, 4, 5, 67);
  expect(clock(millis, "UTC")).toBe("03:04:05.067");
  expect(dateTime(millis, "UTC")).toBe("2026-01-02 03:04:05");
});
