import type { Call, Program } from "./program.ts";

const START = [1_795_415_461, 500_000_000] as [number, number];
const END = [1_795_415_461, 750_000_001] as [number, number];
const LINK = { context: { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 } };

/** One span from start to end, with some calls between. */
function span(...calls: Call[]): Call[] {
  return [{ call: "start", name: "s", options: { startTime: START } }, ...calls, { call: "end", on: 0, time: END }];
}

/** Programs whose titles say what is compared; each one was chosen for a rule of the specification. */
export const PROGRAMS: readonly Program[] = [
  { title: "a span with nothing", calls: span() },
  {
    title: "every kind",
    calls: [0, 1, 2, 3, 4].flatMap((kind, on): Call[] => [
      { call: "start", name: `kind ${kind}`, options: { kind, startTime: START } },
      { call: "end", on, time: END },
    ]),
  },
  {
    title: "parents: of this process, from elsewhere, none",
    calls: [
      { call: "start", name: "remote child", parent: "remote", options: { startTime: START } },
      { call: "start", name: "grandchild", parent: 0, options: { startTime: START } },
      { call: "start", name: "new trace", parent: 0, options: { startTime: START, root: true } },
      { call: "start", name: "own trace", options: { startTime: START } },
      { call: "end", on: 1, time: END },
      { call: "end", on: 0, time: END },
      { call: "end", on: 2, time: END },
      { call: "end", on: 3, time: END },
    ],
  },
  {
    title: "times as Date, as milliseconds and as a pair",
    calls: [
      { call: "start", name: "date", options: { startTime: new Date(1_795_415_461_500) } },
      { call: "start", name: "millis", options: { startTime: 1_795_415_461_500.25 } },
      { call: "start", name: "pair", options: { startTime: START } },
      { call: "addEvent", on: 0, name: "e", time: new Date(1_795_415_461_600) },
      { call: "addEvent", on: 1, name: "e", time: 1_795_415_461_600.5 },
      { call: "end", on: 0, time: new Date(1_795_415_462_001) },
      { call: "end", on: 1, time: 1_795_415_462_001.75 },
      { call: "end", on: 2, time: [1_795_415_462, 1] },
    ],
  },
  { title: "an end before the start", calls: [...span().slice(0, 1), { call: "end", on: 0, time: [START[0] - 1, 0] }] },
  {
    title: "a value of every type",
    calls: span({
      call: "setAttributes",
      on: 0,
      attributes: {
        text: "t",
        empty: "",
        int: 1,
        double: 1.5,
        yes: true,
        texts: ["a"],
        ints: [1],
        bools: [true],
        none: [],
      },
    }),
  },
  {
    title: "the last value of a key wins",
    calls: span(
      { call: "setAttribute", on: 0, key: "k", value: 1 },
      { call: "setAttribute", on: 0, key: "k", value: "two" },
    ),
  },
  {
    title: "more attributes than allowed",
    limits: { attributeCountLimit: 3 },
    calls: span(
      { call: "setAttributes", on: 0, attributes: { a: 1, b: 2, c: 3, d: 4, e: 5 } },
      { call: "setAttribute", on: 0, key: "a", value: "changed" },
    ),
  },
  {
    title: "more attributes at the start than allowed",
    limits: { attributeCountLimit: 2 },
    calls: [
      { call: "start", name: "s", options: { startTime: START, attributes: { a: 1, b: 2, c: 3 } } },
      { call: "end", on: 0, time: END },
    ],
  },
  {
    title: "texts longer than allowed",
    limits: { attributeValueLengthLimit: 4 },
    calls: span(
      { call: "setAttribute", on: 0, key: "long", value: "123456" },
      { call: "setAttribute", on: 0, key: "longs", value: ["123456", "12"] },
      { call: "setAttribute", on: 0, key: "number", value: 123_456 },
    ),
  },
  {
    title: "more events than allowed: the oldest go",
    limits: { eventCountLimit: 2 },
    calls: span(...["one", "two", "three"].map((name): Call => ({ call: "addEvent", on: 0, name, time: START }))),
  },
  {
    title: "more attributes on an event than allowed",
    limits: { attributePerEventCountLimit: 1 },
    calls: span({ call: "addEvent", on: 0, name: "e", attributes: { a: 1, b: 2 }, time: START }),
  },
  {
    title: "links at the start and later",
    calls: [
      { call: "start", name: "s", options: { startTime: START, links: [{ ...LINK, attributes: { a: 1 } }] } },
      { call: "addLink", on: 0, link: LINK },
      { call: "addLinks", on: 0, links: [LINK, { ...LINK, attributes: { b: "2" } }] },
      { call: "end", on: 0, time: END },
    ],
  },
  {
    title: "more links than allowed",
    limits: { linkCountLimit: 2 },
    calls: span({
      call: "addLinks",
      on: 0,
      links: [LINK, { ...LINK, attributes: { b: 1 } }, { ...LINK, attributes: { c: 1 } }],
    }),
  },
  {
    title: "more attributes on a link than allowed",
    limits: { attributePerLinkCountLimit: 1 },
    calls: span({ call: "addLink", on: 0, link: { ...LINK, attributes: { a: 1, b: 2 } } }),
  },
  {
    title: "an error keeps its message",
    calls: span({ call: "setStatus", on: 0, status: { code: 2, message: "why" } }),
  },
  {
    title: "ok is final",
    calls: span(
      { call: "setStatus", on: 0, status: { code: 1 } },
      { call: "setStatus", on: 0, status: { code: 2, message: "late" } },
    ),
  },
  {
    title: "unset changes nothing",
    calls: span(
      { call: "setStatus", on: 0, status: { code: 2, message: "why" } },
      { call: "setStatus", on: 0, status: { code: 0 } },
    ),
  },
  {
    title: "a message beside ok is dropped",
    calls: span({ call: "setStatus", on: 0, status: { code: 1, message: "fine" } }),
  },
  { title: "a new name", calls: span({ call: "updateName", on: 0, name: "better" }) },
  {
    title: "exceptions of every form",
    calls: span(
      ...[
        new TypeError("broken"),
        "a text",
        { name: "N", message: "m" },
        { code: 42, message: "m" },
        { message: "m" },
      ].map((exception): Call => ({ call: "recordException", on: 0, exception, time: START })),
    ),
  },
  {
    title: "calls after the end change nothing",
    calls: [
      ...span(),
      { call: "setAttribute", on: 0, key: "late", value: 1 },
      { call: "addEvent", on: 0, name: "late", time: END },
      { call: "addLink", on: 0, link: LINK },
      { call: "setStatus", on: 0, status: { code: 2 } },
      { call: "updateName", on: 0, name: "late" },
      { call: "recordException", on: 0, exception: "late", time: END },
      { call: "end", on: 0, time: [END[0] + 9, 0] },
    ],
  },
  {
    title: "keys of the object prototype",
    calls: span(
      { call: "setAttribute", on: 0, key: "constructor", value: "c" },
      { call: "setAttribute", on: 0, key: "toString", value: "t" },
    ),
  },
];
