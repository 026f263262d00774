// Numbers and times as people read them.

/** Milliseconds in the unit that fits: `850 µs`, `12 ms`, `1.42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(millis: number): string {
  const ms = Math.max(0, millis);
  if (ms === 0) return "0 ms";
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return longDuration(Math.round(seconds));
}

function longDuration(seconds: number): string {
  const units: readonly (readonly [string, number])[] = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  const parts: string[] = [];
  let rest = seconds;
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

/** `1 span`, `17 spans`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Digits in groups of three. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A percentage that says 100 only when nothing is missing. */
export function percent(value: number | undefined): string {
  if (value === undefined) return "–";
  const floored = Math.floor(value * 10) / 10;
  return `${Number.isInteger(floored) ? floored : floored.toFixed(1)} %`;
}

/** The time of day, in the machine's own time zone unless another is given. */
export function clock(millis: number, timeZone?: string): string {
  const format = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    ...(timeZone === undefined ? {} : { timeZone }),
  });
  return format.format(millis);
}

/** Date and time to the second, in the machine's own time zone unless another is given. */
export function dateTime(millis: number, timeZone?: string): string {
  const zone = timeZone === undefined ? {} : { timeZone };
  const day = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", ...zone }).format(millis);
  return `${day} ${clock(millis, timeZone).slice(0, 8)}`;
}

/** The part of a run id that tells runs of one minute apart: a UUIDv7 begins with the time. */
export function shortId(runId: string): string {
  return runId.slice(-8);
}

/** `90s`, `15m`, `2h`, `7d` as milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? "s"] ?? 1000;
  return Number(match[1]) * unit;
}
