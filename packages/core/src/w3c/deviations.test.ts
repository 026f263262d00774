// The places where OpenTelemetry's own propagators leave the W3C texts, each as a promise that holds here.

import { describe, expect, it } from "vitest";
import { extract, inject } from "../propagation.ts";
import { formatBaggage, parseBaggage } from "./baggage.ts";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";
import { createTraceState, parseTracestate } from "./tracestate.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const context = (traceFlags: number, traceId = TRACE) => ({ traceId, spanId: SPAN, traceFlags });

describe("traceparent", () => {
  it.each([
    [0x10, "00"],
    [0xff, "03"],
    [257, "01"],
  ])("1: flags %i are two digits", (flags, text) => {
    expect(formatTraceparent(context(flags))).toBe(`00-${TRACE}-${SPAN}-${text}`);
  });

  it("2: unknown flag bits are not passed on", () => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-05`)?.traceFlags).toBe(1);
  });

  it("3: of two values none is taken", () => {
    const value = `00-${TRACE}-${SPAN}-01`;
    expect(extract({ traceparent: [value, value.replace("0af", "1af")] }).spanContext).toBeUndefined();
  });

  it("4: any number of spaces and tabs is around a value, and nothing else", () => {
    const value = `00-${TRACE}-${SPAN}-01`;
    expect(parseTraceparent(`\t \t${value} \t `)).toBeDefined();
    for (const other of ["\u00a0", "\n", "\v", "\ufeff", "\u2028"])
      expect(parseTraceparent(other + value)).toBeUndefined();
  });

  it("5: upper-case ids are not sent", () => {
    expect(formatTraceparent(context(1, TRACE.toUpperCase()))).toBe(`00-${TRACE}-${SPAN}-01`);
  });

  it("6: the random flag survives", () => {
    expect(formatTraceparent(parseTraceparent(`00-${TRACE}-${SPAN}-03`) ?? context(0))).toMatch(/-03$/);
  });
});

describe("tracestate", () => {
  it("7: a key may begin with a digit and hold @ anywhere", () => {
    expect(parseTracestate("1a=x,a@b@c=y")).toHaveLength(2);
  });

  it.each([
    ["an equals sign in a value", "a=1=2,b=1"],
    ["an empty value", "a=,b=1"],
    ["a key that begins with @", "@a=1,b=1"],
    ["33 members", Array.from({ length: 33 }, (_, index) => `k${index}=v`).join()],
  ])("8: %s makes the whole list invalid", (_title, header) => {
    expect(parseTracestate(header)).toBeUndefined();
  });

  it("8: a member more than 32 drops the right-most", () => {
    const state = createTraceState(Array.from({ length: 32 }, (_, index) => `k${index}=v`).join()).set("new", "1");
    expect(parseTracestate(state.serialize())).toHaveLength(32);
    expect(state.serialize()).toMatch(/^new=1,k0=v,/);
  });

  it("9: an empty list is not sent", () => {
    const carrier: Record<string, string> = {};
    inject({ spanContext: { ...context(1), traceState: createTraceState("") } }, carrier);
    expect(carrier).not.toHaveProperty("tracestate");
  });
});

describe("baggage that comes in", () => {
  it.each<[string, string, { readonly key: string; readonly value: string }[]]>([
    ["10: an empty value is a value", "k=", [{ key: "k", value: "" }]],
    ["11: bytes that are not UTF-8 become U+FFFD", "k=%FFx", [{ key: "k", value: "\ufffdx" }]],
    [
      "12: a percent sign in a key is a character",
      "a%20b=1,c%=2",
      [
        { key: "a%20b", value: "1" },
        { key: "c%", value: "2" },
      ],
    ],
    [
      "13: members with raw spaces, quotes or controls are left out",
      'a(b)=1,c=x y,d="q",e=\u0001,f=ü,ok=1',
      [{ key: "ok", value: "1" }],
    ],
    [
      "14: keys of the prototype and integer-like ones keep their place",
      "b=1,__proto__=2,1=3",
      [
        { key: "b", value: "1" },
        { key: "__proto__", value: "2" },
        { key: "1", value: "3" },
      ],
    ],
    ["15: a member may have 8,000 bytes", `k=${"x".repeat(8000)}`, [{ key: "k", value: "x".repeat(8000) }]],
    ["17: a no-break space is not trimmed", "k=\u00a0v,ok=1", [{ key: "ok", value: "1" }]],
  ])("%s", (_title, header, members) => {
    expect(parseBaggage(header)).toEqual(members);
  });

  it("16: properties are pairs of their own", () => {
    expect(parseBaggage("k=v ; p1 ; p2 = x")).toEqual([
      { key: "k", value: "v", properties: [{ key: "p1" }, { key: "p2", value: "x" }] },
    ]);
  });
});

describe("baggage that goes out", () => {
  it("18: a lone surrogate does not throw and loses no other member", () => {
    expect(
      formatBaggage([
        { key: "a", value: "x\ud800" },
        { key: "b", value: "1" },
      ]),
    ).toBe("a=x%EF%BF%BD,b=1");
  });

  it("19: legal keys go as they are, others not at all", () => {
    expect(
      formatBaggage([
        { key: "a#+", value: "1" },
        { key: "a b", value: "2" },
        { key: "a(b)", value: "3" },
        { key: "", value: "4" },
      ]),
    ).toBe("a#+=1");
  });

  it("20: property values are encoded, so that none can start a header", () => {
    expect(
      formatBaggage([{ key: "a", value: "1", properties: [{ key: "p", value: "x, y\r\nset-cookie: z" }] }]),
    ).not.toMatch(/[\r\n ]/);
  });

  it("21: the run goes first, however many members of others there are", () => {
    const carrier: Record<string, string> = {};
    const header = Array.from({ length: 100 }, (_, index) => `k${index}=v`);
    const run = extract(
      { baggage: "botanu.run_id=019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2,botanu.workflow=w" },
      { trust: true },
    ).run;
    inject({ run, baggage: header }, carrier);
    expect(carrier["baggage"]).toMatch(/^botanu\.run_id=019a2f6e/);
    expect(carrier["baggage"]?.split(",")).toHaveLength(64);
  });

  it("22: what is not there is not written as a text", () => {
    expect(formatBaggage([{ key: "a", value: "1", properties: [{ key: "p", value: undefined }] }])).toBe("a=1;p");
  });

  it("23: a member of 8,192 bytes is sent", () => {
    expect(formatBaggage([{ key: "k", value: "x".repeat(8190) }])).toHaveLength(8192);
  });
});
