import type { Attributes, HrTime, Link } from "@botanu/tracer";

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
const STATUSES = [{ code: 0 }, { code: 1 }, { code: 2 }, { code: 2, message: "why" }];
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
  const choice = new Choice(randomStream(seed), odd);
  const calls: Call[] = [];
  let started = 0;
  const start = (): void => void calls.push(choice.start(started++));
  start();
  for (let turn = choice.below(40); turn > 0; turn -= 1) {
    if (choice.chance(0.15)) start();
    else calls.push(choice.act(choice.below(started)));
  }
  // Ending twice is part of the comparison: the second end must change nothing.
  for (let on = 0; on < started; on += 1) calls.push({ call: "end", on, time: choice.time() });
  return { title: `seed ${seed}`, ...(choice.chance(0.5) && { limits: choice.limits() }), calls };
}

/** What comes next, drawn from one stream; time only goes forward. */
class Choice {
  readonly #random: () => number;
  readonly #keys: readonly string[];
  readonly #values: readonly unknown[];
  #clock = 0;

  constructor(random: () => number, odd: Oddities) {
    this.#random = random;
    this.#keys = odd.keys ? [...KEYS, ""] : KEYS;
    this.#values = odd.values ? [...VALUES, ...NO_VALUES] : VALUES;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  time(): HrTime {
    this.#clock += 1;
    return [EPOCH_SECONDS, this.#clock * 1_000_000 + this.below(999_999)];
  }

  /** Typed as attributes, whatever oddities are among them. */
  attributes(): Attributes {
    const entries = Array.from({ length: this.below(5) }, () => [this.pick(this.#keys), this.pick(this.#values)]);
    return Object.fromEntries(entries) as Attributes;
  }

  link(): Link {
    const context = { traceId: "1".repeat(32), spanId: `${1 + this.below(8)}`.repeat(16), traceFlags: 1 };
    return { context, attributes: this.attributes() };
  }

  start(started: number): Call {
    const parent =
      this.chance(0.6) && started > 0 ? this.below(started) : this.pick([undefined, undefined, "remote"] as const);
    return {
      call: "start",
      name: this.pick(["GET", "work", "", "botanu.run/checkout"]),
      ...(parent !== undefined && { parent }),
      options: {
        startTime: this.time(),
        ...(this.chance(0.5) && { kind: this.below(5) }),
        ...(this.chance(0.5) && { attributes: this.attributes() }),
        ...(this.chance(0.3) && { links: Array.from({ length: 1 + this.below(3) }, () => this.link()) }),
        ...(this.chance(0.1) && { root: true }),
      },
    };
  }

  act(on: number): Call {
    const time = this.time();
    return this.pick<() => Call>([
      () => ({ call: "setAttribute", on, key: this.pick(this.#keys), value: this.pick(this.#values) }),
      () => ({ call: "setAttributes", on, attributes: this.attributes() }),
      () => ({ call: "addEvent", on, name: this.pick(["one", "two"]), time }),
      () => ({ call: "addEvent", on, name: "three", attributes: this.attributes(), time }),
      () => ({ call: "addLink", on, link: this.link() }),
      () => ({ call: "addLinks", on, links: [this.link(), this.link()] }),
      () => ({ call: "setStatus", on, status: this.pick(STATUSES) }),
      () => ({ call: "updateName", on, name: this.pick(["renamed", "again"]) }),
      () => ({ call: "recordException", on, exception: this.pick(EXCEPTIONS), time }),
      () => ({ call: "end", on, time }),
    ])();
  }

  limits(): NonNullable<Program["limits"]> {
    return {
      attributeValueLengthLimit: 4 + this.below(30),
      attributeCountLimit: 1 + this.below(4),
      eventCountLimit: 1 + this.below(3),
      linkCountLimit: 1 + this.below(3),
      attributePerEventCountLimit: 1 + this.below(3),
      attributePerLinkCountLimit: 1 + this.below(3),
    };
  }
}
