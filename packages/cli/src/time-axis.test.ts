import { describe, expect, it } from "vitest";

import { TimeAxis } from "./time-axis.ts";
import { covered, longGaps, mergeIntervals } from "./timeline.ts";

const ms = (millis: number): string => `${Math.round(millis)}`;

describe("intervals", () => {
  it("are joined where they touch or overlap", () => {
    const merged = mergeIntervals([
      { start: 5, end: 7 },
      { start: 0, end: 2 },
      { start: 2, end: 3 },
      { start: 6, end: 6 },
    ]);
    expect(merged).toEqual([
      { start: 0, end: 3 },
      { start: 5, end: 7 },
    ]);
    expect(covered(merged)).toBe(5);
  });

  it.each([
    ["no gap in what is continuous", [[0, 100]], []],
    [
      "none that is short",
      [
        [0, 100],
        [120, 200],
      ],
      [],
    ],
    [
      "one that is longer than half of the active time",
      [
        [0, 10],
        [1000, 1010],
      ],
      [[10, 1000]],
    ],
    [
      "one over ten times the median of many",
      [
        [0, 50],
        [51, 100],
        [101, 150],
        [152, 200],
        [230, 280],
      ],
      [[200, 230]],
    ],
    ["nothing in nothing", [], []],
  ])("have %s", (_title, given, gaps) => {
    const merged = given.map(([start = 0, end = 0]) => ({ start, end }));
    expect(longGaps(merged)).toEqual(gaps.map(([start, end]) => ({ start, end })));
  });
});

describe("a time axis", () => {
  it("draws in halves of a column, and what is shorter too", () => {
    const axis = new TimeAxis(0, 100, [], 10);
    expect(axis.bar([{ start: 0, end: 100 }])).toBe("━━━━━━━━━━");
    expect(axis.bar([{ start: 25, end: 50 }])).toBe("  ╺━━     ");
    expect(axis.bar([{ start: 50, end: 50 }])).toBe("     ╸    ");
    expect(axis.bar([{ start: 100, end: 100 }])).toBe("         ╺");
    expect(axis.bar([])).toBe("          ");
  });

  it("cuts long gaps out, and says how long they were", () => {
    const gaps = [{ start: 10, end: 100_000 }];
    const axis = new TimeAxis(0, 100_010, gaps, 22);
    expect(axis.bar([{ start: 0, end: 10 }])).toBe("━━━━━━━━━━⫽           ");
    expect(axis.bar([{ start: 100_000, end: 100_010 }])).toBe("          ⫽ ━━━━━━━━━━");
    expect(axis.ruler(ms)).toBe("0        99990  100010");
  });

  it("cuts the longest ones where there is no room for all", () => {
    const gaps = [
      { start: 10, end: 50 },
      { start: 60, end: 1060 },
    ];
    expect(new TimeAxis(0, 1070, gaps, 6).bar([])).toBe("    ⫽ ");
  });

  it("holds a run of no length", () => {
    const axis = new TimeAxis(5, 5, [], 4);
    expect(axis.bar([{ start: 5, end: 5 }])).toBe("╸   ");
    expect(axis.ruler(ms)).toBe("0  0");
  });
});
