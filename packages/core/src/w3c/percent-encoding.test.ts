import { describe, expect, it } from "vitest";
import { decodeUtf8, percentDecode, percentEncode } from "./percent-encoding.ts";

describe("percent-encoding", () => {
  it.each(["", "plain", "ä", "€", "😀", 'a b,c;d=e%f+g"\\', "\u0000\r\n", "\ufeffx", "100%"])(
    "gives %j back as it was",
    (text) => {
      const encoded = percentEncode(text);
      expect(encoded).toMatch(/^[\w.!~*'()%-]*$/);
      expect(percentDecode(encoded)).toBe(text);
    },
  );

  it.each([
    ["a lone surrogate", "a\ud800b", "a%EF%BF%BDb"],
    ["a pair in the wrong order", "\udc00\ud800", "%EF%BF%BD%EF%BF%BD"],
    ["a pair beside a lone one", "\ud83d\ude00\ud83d", "%F0%9F%98%80%EF%BF%BD"],
  ])("writes %s as U+FFFD", (_title, text, encoded) => {
    expect(percentEncode(text)).toBe(encoded);
  });

  it.each([
    ["bytes that are no UTF-8", "%FF%41", "\ufffdA"],
    ["an overlong form", "%C0%80", "\ufffd\ufffd"],
    ["a sequence that is cut off", "x%E2%82", "x\ufffd"],
    ["a sequence that is cut off by text", "%E2%82x%41", "\ufffdxA"],
    ["a percent sign alone", "%", "%"],
    ["a percent sign before what is no hex", "%zz%41%", "%zzA%"],
    ["a byte order mark", "%EF%BB%BFx%FF", "\ufeffx\ufffd"],
  ])("reads %s", (_title, text, decoded) => {
    expect(percentDecode(text)).toBe(decoded);
  });

  it("keeps a byte order mark in bytes", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe("\ufeffA");
  });
});
