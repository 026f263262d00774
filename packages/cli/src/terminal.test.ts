import { describe, expect, it } from "vitest";

import { createPaint, fit, padEnd, padStart, printable, screenOf, wantsColour, width } from "./terminal.ts";

describe("printable", () => {
  it.each([
    ["an escape sequence", "\u001b[31mred\u001b[0m", "\\u{1b}[31mred\\u{1b}[0m"],
    ["a cursor move over the line", "ok\rFAILED", "ok\\u{d}FAILED"],
    ["a faked line", "a\nb", "a\\u{a}b"],
    ["the other control set", "\u009b2J", "\\u{9b}2J"],
    ["a title", "\u001b]0;pwned\u0007", "\\u{1b}]0;pwned\\u{7}"],
    ["text turned around", "a\u202eb\u2066c", "a\\u{202e}b\\u{2066}c"],
    ["a line separator", "a\u2028b", "a\\u{2028}b"],
    ["half a character", "a\ud800b", "a\\u{d800}b"],
    ["delete", "\u007f", "\\u{7f}"],
  ])("writes out %s", (_title, text, safe) => {
    expect(printable(text)).toBe(safe);
  });

  it("leaves ordinary text of any language as it is", () => {
    const text = "Zürich 東京 😀 a\u0301 {item} /x?y=1";
    expect(printable(text)).toBe(text);
  });
});

describe("width", () => {
  it.each([
    ["", 0],
    ["abc", 3],
    ["東京", 4],
    ["😀", 2],
    ["a\u0301", 1],
    ["\u001b[31mred\u001b[39m", 3],
    ["├ ● ✗", 5],
  ])("of %j is %i", (text, columns) => {
    expect(width(text)).toBe(columns);
  });
});

describe("fit", () => {
  it.each([
    ["abcdef", 6, "abcdef"],
    ["abcdef", 5, "abcd…"],
    ["東京都", 5, "東京…"],
    ["東京都", 4, "東…"],
    ["abc", 1, "…"],
    ["abc", 0, ""],
  ])("%j in %i columns is %j", (text, columns, cut) => {
    expect(fit(text, columns)).toBe(cut);
    expect(width(cut)).toBeLessThanOrEqual(columns);
  });
});

it("fills up by columns, not by characters", () => {
  expect(padEnd("東", 4)).toBe("東  ");
  expect(padStart("東", 4)).toBe("  東");
  expect(padEnd("long", 2)).toBe("long");
});

describe("colour", () => {
  it.each([
    ["a terminal", true, {}, true],
    ["a pipe", false, {}, false],
    ["NO_COLOR", true, { NO_COLOR: "1" }, false],
    ["an empty NO_COLOR", true, { NO_COLOR: "" }, true],
    ["FORCE_COLOR in a pipe", false, { FORCE_COLOR: "1" }, true],
    ["an empty FORCE_COLOR", false, { FORCE_COLOR: "" }, true],
    ["FORCE_COLOR=0", true, { FORCE_COLOR: "0" }, false],
    ["FORCE_COLOR before NO_COLOR", false, { FORCE_COLOR: "1", NO_COLOR: "1" }, true],
    ["a dumb terminal", true, { TERM: "dumb" }, false],
  ])("with %s", (_title, isTTY, env, colour) => {
    expect(wantsColour(isTTY, env)).toBe(colour);
    expect(screenOf({ isTTY, columns: 80 }, env).paint.bad("x")).toBe(colour ? "\u001b[31mx\u001b[39m" : "x");
  });

  it("is the same for a service each time, and another for the next", () => {
    const { service } = createPaint(true);
    expect(service("a")).toBe(service("a"));
    expect(service("a", "x")).not.toBe(service("b", "x"));
  });
});

describe("columns", () => {
  it.each([
    ["the terminal", { columns: 132 }, {}, 132],
    ["COLUMNS", {}, { COLUMNS: "90" }, 90],
    ["neither", {}, {}, 100],
    ["a sliver", { columns: 10 }, {}, 40],
    ["a wall", { columns: 500 }, {}, 160],
  ])("are told by %s", (_title, stream, env, columns) => {
    expect(screenOf(stream, env).columns).toBe(columns);
  });
});
