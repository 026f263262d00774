// Time of a run: when something was recorded, when nothing was.

/** A stretch of time, in milliseconds; `end` is not before `start`. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** Joins intervals that touch or overlap; the result is ordered. */
export function mergeIntervals(intervals: Iterable<Interval>): Interval[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of [...intervals].toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** The time that a set of merged intervals covers. */
export function covered(merged: readonly Interval[]): number {
  return merged.reduce((sum, each) => sum + each.end - each.start, 0);
}

/**
 * The stretches in which nothing was recorded that are long enough to flatten the rest: longer than half of all active
 * time, or over ten times the median one and a tenth of the active time.
 */
export function longGaps(merged: readonly Interval[]): Interval[] {
  const gaps = merged.slice(1).map((each, index) => ({ start: merged[index]?.end ?? each.start, end: each.start }));
  const lengths = gaps.map(length).toSorted((a, b) => a - b);
  const median = lengths.length < 3 ? Number.POSITIVE_INFINITY : (lengths[Math.floor(lengths.length / 2)] ?? 0);
  const active = covered(merged);
  const limit = Math.min(active / 2, Math.max(10 * median, active / 10));
  return gaps.filter((gap) => length(gap) > limit);
}

function length({ start, end }: Interval): number {
  return end - start;
}
