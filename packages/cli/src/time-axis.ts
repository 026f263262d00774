// The one time axis that all lanes and spans of a run share. Long stretches without anything are cut out of it.

import type { Interval } from "./timeline.ts";

// Columns of a cut: one with its sign, one to stand clear of what follows.
const CUT = 2;

/** A part of the axis: a time, and the columns that show it. */
interface Segment extends Interval {
  readonly from: number;
  readonly to: number;
  readonly cut: boolean;
}

export class TimeAxis {
  readonly columns: number;
  readonly #segments: readonly Segment[];

  /** @param gaps stretches to cut out, ordered, inside of `start`..`end` */
  constructor(start: number, end: number, gaps: readonly Interval[], columns: number) {
    this.columns = columns;
    // The longest ones, and only as many as leave most of the axis to time.
    const longest = gaps
      .toSorted((a, b) => b.end - b.start - (a.end - a.start))
      .slice(0, Math.floor(columns / (3 * CUT)));
    const cuts = longest.toSorted((a, b) => a.start - b.start);
    const shown = Math.max(end - start - cuts.reduce((sum, gap) => sum + gap.end - gap.start, 0), Number.EPSILON);
    const perMilli = (columns - cuts.length * CUT) / shown;
    const segments: Segment[] = [];
    let column = 0;
    const add = (from: number, to: number, width: number, cut: boolean): void => {
      segments.push({ start: from, end: to, from: column, to: column + width, cut });
      column += width;
    };
    let time = start;
    for (const gap of cuts) {
      add(time, gap.start, (gap.start - time) * perMilli, false);
      add(gap.start, gap.end, CUT, true);
      time = gap.end;
    }
    add(time, Math.max(end, time), Math.max(0, columns - column), false);
    this.#segments = segments;
  }

  /** The position of a time, in fractions of a column. */
  column(time: number): number {
    const segment = this.#segments.find((each) => time <= each.end) ?? this.#segments.at(-1);
    if (segment === undefined || segment.end === segment.start) return segment?.from ?? 0;
    const share = Math.max(0, Math.min(1, (time - segment.start) / (segment.end - segment.start)));
    return segment.from + share * (segment.to - segment.from);
  }

  /**
   * Draws intervals in halves of a column, so that also the shortest is seen.
   *
   * @param blank what stands where nothing is
   */
  bar(intervals: readonly Interval[], blank = " "): string {
    const halves = new Uint8Array(this.columns * 2);
    for (const { start, end } of intervals) {
      const first = Math.min(halves.length - 1, Math.floor(this.column(start) * 2));
      const last = Math.max(first + 1, Math.min(halves.length, Math.round(this.column(end) * 2)));
      halves.fill(1, first, last);
    }
    let text = "";
    for (let index = 0; index < this.columns; index += 1) {
      const drawn = (halves[2 * index] ?? 0) + 2 * (halves[2 * index + 1] ?? 0);
      text += drawn === 0 ? this.#blank(index, blank) : ["", "╸", "╺", "━"][drawn];
    }
    return text;
  }

  /** The ruler: where the axis begins, where it is cut and by how much, and where it ends. */
  ruler(label: (millis: number) => string): string {
    const start = this.#segments[0]?.start ?? 0;
    const total = label((this.#segments.at(-1)?.end ?? start) - start);
    const cells = Array.from(padded("0", total, this.columns));
    for (const segment of this.#segments.filter((each) => each.cut)) {
      const text = label(segment.end - segment.start);
      const at = Math.round((segment.from + segment.to) / 2 - text.length / 2);
      const room = cells.slice(at - 1, at + text.length + 1);
      const free = at > 1 && at + text.length < this.columns && room.every((cell) => cell === " ");
      if (free) cells.splice(at, text.length, ...Array.from(text));
    }
    return cells.join("");
  }

  #blank(column: number, blank: string): string {
    const middle = this.#segments.find((each) => each.cut && Math.ceil(each.from) === column);
    return middle === undefined ? blank : "⫽";
  }
}

function padded(left: string, right: string, columns: number): string {
  return left + " ".repeat(Math.max(1, columns - left.length - right.length)) + right;
}
