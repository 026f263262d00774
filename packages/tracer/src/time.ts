// Times are numbers (epoch milliseconds) while a span runs, and become the SDK's pairs only when somebody reads them.

import type { HrTime, TimeInput } from "./types.ts";

/** Epoch milliseconds; fractions are kept to about 250 ns. */
export type Clock = () => number;

/**
 * The wall clock with the resolution of the monotonic one. It follows `Date.now()` within two milliseconds, through
 * clock corrections and a frozen process alike. In an isolate both stand still between I/O, and so does this.
 */
export function createClock(): Clock {
  let offset = 0;
  return () => {
    const wall = Date.now();
    const mono = performance.now();
    const drift = offset + mono - wall;
    // `Date.now()` is cut to whole milliseconds, so up to one millisecond ahead of it is still on time.
    if (!(drift >= -1 && drift <= 2)) offset = wall - mono;
    return offset + mono;
  };
}

/** Whole nanoseconds of epoch milliseconds, as seconds and the rest. A pair stays what it is. */
export function toHrTime(millis: number | HrTime): HrTime {
  if (typeof millis !== "number") return millis;
  const seconds = Math.floor(millis / 1e3);
  const nanos = Math.round((millis - seconds * 1e3) * 1e6);
  return nanos < 1e9 ? [seconds, nanos] : [seconds + 1, 0];
}

function isHrTime(input: unknown): input is HrTime {
  return Array.isArray(input) && input.length === 2 && Number.isFinite(input[0]) && Number.isFinite(input[1]);
}

/** Says whether something given in the place of attributes is a time. */
export function isTimeInput(input: unknown): input is TimeInput {
  return typeof input === "number" || input instanceof Date || isHrTime(input);
}

/**
 * Epoch milliseconds of a time, or the pair itself, which a number could not hold to the nanosecond. A number up to
 * the present `performance.now()` is one of its readings. What is no time is now.
 */
export function readTime(input: TimeInput | undefined, now: Clock): number | HrTime {
  if (isHrTime(input)) return [input[0], input[1]];
  const millis = input instanceof Date ? input.getTime() : input;
  if (!Number.isFinite(millis)) return now();
  const mono = typeof input === "number" ? performance.now() : -1;
  return (millis as number) <= mono ? now() - mono + (millis as number) : (millis as number);
}
