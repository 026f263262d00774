// Reading the clock, and the forms in which the API lets a time be given.

import type { HrTime, TimeInput } from "./types.ts";

/** Epoch milliseconds; fractions are kept to about 250 ns. With `check` a clock that follows another looks at that first. */
export type Clock = (check?: boolean) => number;

/** How long the clock goes on without looking at the wall clock, in milliseconds. */
const CHECK_EVERY = 1000;

/**
 * The wall clock with the resolution of the monotonic one. Where it looks, it follows `Date.now()` within two
 * milliseconds, through clock corrections and a frozen process alike; it looks when asked to, and every second. In an
 * isolate both stand still between I/O, and so does this.
 */
export function createClock(): Clock {
  let offset = 0;
  let next = 0;
  return (check) => {
    const mono = performance.now();
    if (check || mono >= next) {
      const ahead = offset + mono - Date.now();
      // `Date.now()` is cut to whole milliseconds: one ahead of it is still on time.
      if (!(ahead >= -1 && ahead <= 2)) offset -= ahead;
      next = mono + CHECK_EVERY;
    }
    return offset + mono;
  };
}

function isHrTime(input: unknown): input is HrTime {
  return Array.isArray(input) && input.length === 2 && input.every(Number.isFinite);
}

/** Says whether something given in the place of attributes is a time. */
export function isTimeInput(input: unknown): input is TimeInput {
  return typeof input === "number" || input instanceof Date || isHrTime(input);
}

/** Seconds and whole nanoseconds of epoch milliseconds. */
export function fromMillis(millis: number): HrTime {
  const seconds = Math.floor(millis / 1e3);
  const nanos = Math.round((millis - seconds * 1e3) * 1e6);
  return nanos < 1e9 ? [seconds, nanos] : [seconds + 1, 0];
}

/** The time that was given. A number up to `performance.now()` is one of its readings; what is no time is now. */
export function toHrTime(input: unknown, now: Clock): HrTime {
  if (isHrTime(input)) return [input[0], input[1]];
  const mono = performance.now();
  let millis = isTimeInput(input) ? +(input as number | Date) : NaN;
  if (input === millis && millis <= mono) millis += now() - mono;
  return fromMillis(Number.isFinite(millis) ? millis : now());
}
