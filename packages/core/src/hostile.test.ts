// Whatever comes over the wire: nothing of it throws, nothing of it costs more than its length, and what is made of it can be sent on.

import { describe, expect, it } from "vitest";
import { extractEnvelope } from "./envelope.ts";
import { extract, inject } from "./propagation.ts";
import { createRun } from "./run.ts";
import { formatBaggage, parseBaggage } from "./w3c/baggage.ts";
import { parseTraceparent } from "./w3c/traceparent.ts";
import { createTraceState, formatTracestate, parseTracestate } from "./w3c/tracestate.ts";

const RUN = "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2";
const FIELDS = ["traceparent", "tracestate", "baggage", "x-botanu-run-id", "x-botanu-workflow"];

/** Pieces that mean something to one of the parsers, and pieces that mean nothing to any. */
const PIECES = [
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  `botanu.run_id=${RUN}`,
  "botanu.workflow=w",
  "botanu.deadline=1e999",
  "botanu.attempt=99999999999999999999",
  `botanu=${RUN}`,
  ...'=,;-%+ \t\r\n\0"\\@*/ä€\ufeff\u00a0\ud800\udfff'.split(""),
  "😀",
  "%",
  "%zz",
  "%FF%FE",
  "%C0%80",
  "%00",
  "__proto__",
  "constructor=1",
  "a=1",
  "=".repeat(50),
  ",".repeat(50),
  " ".repeat(50),
  "x".repeat(300),
];

/** Random numbers from a seed, so that what fails can be run again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function textFrom(random: (below: number) => number): string {
  return Array.from({ length: random(24) }, () => PIECES[random(PIECES.length)]).join("");
}

/** What is read of a carrier, sent on to a new one, may be sent: no byte of it starts a header or a second member of ours. */
function checkSendsOn(carrier: object): void {
  for (const trust of [true, false]) {
    const extracted = extract(carrier as Record<string, unknown>, { trust });
    const sent: Record<string, string> = {};
    inject(extracted, sent);
    for (const value of Object.values(sent)) expect(value).toMatch(/^[\t\x20-\x7e]*$/);
    const keys = parseBaggage(sent["baggage"] ?? "").map(({ key }) => key);
    expect(keys.filter((key) => key === "botanu.run_id")).toHaveLength(extracted.run ? 1 : 0);
    if (!trust) expect(keys.filter((key) => key.startsWith("botanu."))).toEqual([]);
    if (sent["traceparent"]) expect(parseTraceparent(sent["traceparent"])).toBeDefined();
    if (sent["tracestate"]) expect(parseTracestate(sent["tracestate"])).toBeDefined();
    // What we send is read as it was meant.
    expect(extract(sent, { trust: true }).run).toEqual(extracted.run);
  }
}

describe("no text", () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "of seed %i throws, or is sent on as something else",
    (seed) => {
      const random = randomFrom(seed);
      for (let count = 0; count < 50; count++) {
        const text = textFrom(random);
        const members = parseBaggage(text);
        expect(parseBaggage(formatBaggage(members))).toEqual(members);
        const states = parseTracestate(text);
        if (states) expect(parseTracestate(formatTracestate(states))?.length).toBeLessThanOrEqual(states.length);
        createTraceState(text).set("botanu", text).unset("botanu").serialize();
        parseTraceparent(text);
        checkSendsOn(Object.fromEntries(FIELDS.map((field) => [field, textFrom(random)])));
      }
    },
  );
});

describe("no carrier throws", () => {
  const fail = (): never => {
    throw new Error("hostile");
  };
  const nested: Record<string, unknown> = {};
  nested["value"] = nested;
  it.each<[string, unknown]>([
    ["whose fields throw", Object.defineProperty({}, "baggage", { get: fail, enumerable: true })],
    ["whose get throws", { get: fail }],
    ["whose get gives anything", { get: () => Symbol("s") }],
    ["that is a proxy which throws", new Proxy({}, { get: fail, has: fail, ownKeys: fail })],
    ["with lists of anything", { baggage: [null, {}, Symbol.iterator, "a=1"] }],
    ["with lists in lists", { baggage: [["a=1"], [["b=2"]]] }],
    ["with a value that holds itself", { baggage: nested }],
    ["with numbers beyond bytes", { baggage: [1e9, -1, Number.NaN] }],
    ["with a text that throws", { baggage: { value: { toString: fail } } }],
    ["without a prototype", Object.assign(Object.create(null) as object, { baggage: "a=1" })],
    ["with keys of the prototype", JSON.parse('{"__proto__":{"baggage":"a=1"},"constructor":"x"}')],
  ])("%s", (_title, carrier) => {
    expect(() => extract(carrier as Record<string, unknown>, { trust: true })).not.toThrow();
    expect(() => extractEnvelope({ _botanu: carrier }, { trust: true })).not.toThrow();
    expect(({} as Record<string, unknown>)["baggage"]).toBeUndefined();
  });
});

describe("sizes", () => {
  it.each<[string, (size: number) => string]>([
    ["commas", (size) => ",".repeat(size)],
    ["spaces", (size) => " ".repeat(size)],
    ["spaces around equals signs", (size) => `${" ".repeat(size)}=${" ".repeat(size)}`],
    ["equals signs", (size) => "=".repeat(size)],
    ["percent signs", (size) => `a=${"%".repeat(size)}`],
    ["bad escapes", (size) => `a=${"%FF".repeat(size / 3)}`],
    ["semicolons", (size) => `a=1${";".repeat(size)}`],
    ["properties", (size) => `a=1${";p= 1 ".repeat(size / 6)}`],
    ["members", (size) => "a=1,".repeat(size / 4)],
    ["one long member", (size) => `a=${"x".repeat(size)}`],
    ["a key without end", (size) => "k".repeat(size)],
    ["dashes", (size) => `00-${"-".repeat(size)}`],
  ])("of %s cost no more than their length", (_title, make) => {
    const small = cheapest(make(50_000));
    const large = cheapest(make(400_000));
    // Eight times the input: a quadratic parser takes sixty-four times as long. Below half a millisecond clocks say little.
    expect(large).toBeLessThan(Math.max(small, 0.5) * 30);
  });

  it("of 10,000 members and of a megabyte are cut to what may be sent", () => {
    for (const baggage of ["k=v,".repeat(10_000), `a=1,${"x".repeat(1 << 20)}=1`, `a=${"%41".repeat(1 << 18)}`]) {
      const sent: Record<string, string> = {};
      inject({ ...extract({ baggage }), run: createRun({ workflow: "w" }) }, sent);
      expect(sent["baggage"]?.length).toBeLessThanOrEqual(8192);
      expect(sent["baggage"]).toMatch(/^botanu\.run_id=/);
    }
  });
});

/** Milliseconds of the fastest of some readings of a text by every parser. */
function cheapest(text: string): number {
  let least = Infinity;
  for (let count = 0; count < 5; count++) {
    const started = performance.now();
    extract({ traceparent: text, tracestate: text, baggage: text }, { trust: true });
    extract({ traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: text });
    least = Math.min(least, performance.now() - started);
  }
  return least;
}
