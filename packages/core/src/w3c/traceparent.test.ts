import { describe, expect, it } from "vitest";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

describe("a traceparent", () => {
  it.each([
    ["00", 0],
    ["01", 1],
    ["02", 2],
    ["03", 3],
    ["ff", 3],
  ])("of version 00 with flags %s is read with %i", (flags, traceFlags) => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-${flags}`)).toEqual({
      traceId: TRACE,
      spanId: SPAN,
      traceFlags,
      isRemote: true,
    });
  });

  it.each([`cc-${TRACE}-${SPAN}-03`, `01-${TRACE}-${SPAN}-03-what-comes-later`, `fe-${TRACE}-${SPAN}-03-`])(
    "of a later version keeps the one flag that is known: %s",
    (header) => {
      expect(parseTraceparent(header)?.traceFlags).toBe(1);
    },
  );

  it.each([
    ["empty", ""],
    ["version ff", `ff-${TRACE}-${SPAN}-01`],
    ["more behind version 00", `00-${TRACE}-${SPAN}-01-x`],
    ["more behind a later version without a dash", `01-${TRACE}-${SPAN}-01x`],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["a span id of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["a short trace id", `00-${TRACE.slice(1)}-${SPAN}-01`],
    ["a long span id", `00-${TRACE}-${SPAN}0-01`],
    ["flags of one digit", `00-${TRACE}-${SPAN}-1`],
    ["no flags", `00-${TRACE}-${SPAN}`],
    ["other separators", `00_${TRACE}_${SPAN}_01`],
  ])("that is malformed (%s) is none", (_title, header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  it("is written in version 00, and what is read is written the same", () => {
    const header = `00-${TRACE}-${SPAN}-03`;
    expect(formatTraceparent({ traceId: TRACE, spanId: SPAN, traceFlags: 3 })).toBe(header);
    expect(formatTraceparent(parseTraceparent(header) ?? expect.unreachable())).toBe(header);
  });
});
