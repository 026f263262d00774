import type { Call, Program } from "./program.ts";

/** A seeded stream of numbers from 0 to 1 (mulberry32), so that a failing program can be made again from its seed. */
function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const EPOCH_SECONDS = 1_795_415_461;
const KEYS = ["a", "b", "c", "http.request.method", "constructor", "Größe"];
const VALUES: readonly unknown[] = [
  "",
  "text",
  "a text that is longer than the limit of some programs",
  "\ud83d\ude00 and \u6f22\u5b57",
  0,
  -1.5,
  Number.MAX_SAFE_INTEGER,
  true,
  false,
  [],
  ["x", "y"],
  [1, 2.5],
  [true, false],
  ["gap", null, "again"],
  ["a text that is longer than the limit of some programs", "short"],
];
/** What an untyped caller may also hand over, and no attribute may hold. */
const NO_VALUES: readonly unknown[] = [{}, { nested: 1 }, [1, "a"], [{}], () => 1, Symbol("s"), 1n];
const EXCEPTIONS: readonly unknown[] = [
  new TypeError("broken"),
  "only a text",
  { name: "Named", message: "with a message" },
  { code: "E_CODE", message: "with a code" },
  { message: "nothing else" },
];

/** What else a program may hold that is no attribute. */
export interface Oddities {
  /** Values of other types. */
  readonly values?: boolean;
  /** The empty key. */
  readonly keys?: boolean;
}

/** Programs that any caller may write, by seed: the same seed is the same program. */
export function generateProgram(seed: number, odd: Oddities = {}): Program {
  const random = randomStream(seed);
  const values = odd.values ? [...VALUES, ...NO_VALUES] : VALUES;
  const keys = odd.keys ? [...KEYS, ""] : KEYS;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const below = (n: number): number => Math.floor(random() * n);
  let clock = 0;
  const time = (): [number, number] => [
    EPOCH_SECONDS + Math.floor(++clock / 1000),
    (clock % 1000) * 1_000_000 + below(999_999),
  ];
  const attributes = (): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length: below(5) }, () => [pick(keys), pick(values)]));
  const link = () => ({
    context: { traceId: "1".repeat(32), spanId: `${1 + below(8)}`.repeat(16), traceFlags: 1 },
    attributes: attributes() as Record<string, string>,
  });

  const calls: Call[] = [];
  let started = 0;
  const start = (): void => {
    const parent = random() < 0.6 && started > 0 ? below(started) : pick([undefined, undefined, "remote"] as const);
    calls.push({
      call: "start",
      name: pick(["GET", "work", "", "botanu.run/checkout"]),
      ...(parent !== undefined && { parent }),
      options: {
        startTime: time(),
        ...(random() < 0.5 && { kind: below(5) }),
        ...(random() < 0.5 && { attributes: attributes() as Record<string, string> }),
        ...(random() < 0.3 && { links: Array.from({ length: 1 + below(3) }, link) }),
        ...(random() < 0.1 && { root: true }),
      },
    });
    started += 1;
  };
  const act = (): void => {
    const on = below(started);
    calls.push(
      pick<() => Call>([
        () => ({ call: "setAttribute", on, key: pick(keys), value: pick(values) }),
        () => ({ call: "setAttributes", on, attributes: attributes() }),
        () => ({ call: "addEvent", on, name: pick(["one", "two"]), time: time() }),
        () => ({ call: "addEvent", on, name: "three", attributes: attributes(), time: time() }),
        () => ({ call: "addLink", on, link: link() }),
        () => ({ call: "addLinks", on, links: [link(), link()] }),
        () => ({
          call: "setStatus",
          on,
          status: pick([{ code: 0 }, { code: 1 }, { code: 2 }, { code: 2, message: "why" }]),
        }),
        () => ({ call: "updateName", on, name: pick(["renamed", "again"]) }),
        () => ({ call: "recordException", on, exception: pick(EXCEPTIONS), time: time() }),
        () => ({ call: "end", on, time: time() }),
      ])(),
    );
  };

  start();
  for (let turn = below(40); turn > 0; turn -= 1) {
    if (random() < 0.15) start();
    else act();
  }
  // Ending twice is part of the comparison: the second end must change nothing.
  for (let on = 0; on < started; on += 1) calls.push({ call: "end", on, time: time() });
  return { title: `seed ${seed}`, ...(random() < 0.5 && { limits: generateLimits(below) }), calls };
}

function generateLimits(below: (n: number) => number): NonNullable<Program["limits"]> {
  return {
    attributeValueLengthLimit: 4 + below(30),
    attributeCountLimit: 1 + below(4),
    eventCountLimit: 1 + below(3),
    linkCountLimit: 1 + below(3),
    attributePerEventCountLimit: 1 + below(3),
    attributePerLinkCountLimit: 1 + below(3),
  };
}
