import { afterEach, describe, expect, it } from "vitest";
import { diag, setDiag, warnOnce } from "./diag.ts";
import { isTrusted } from "./trust.ts";

afterEach(() => setDiag());

function collect(): { readonly messages: string[]; warn(message: string): void; error(message: string): void } {
  const messages: string[] = [];
  return { messages, warn: (message) => messages.push(message), error: (message) => messages.push(message) };
}

describe("warnings", () => {
  it("go nowhere unless a diag was set", () => {
    expect(() => diag().warn("x")).not.toThrow();
    expect(() => diag().error("x")).not.toThrow();
    const to = collect();
    setDiag(to);
    expect(diag()).toBe(to);
  });

  it("are given once per key to each diag", () => {
    const [first, second] = [collect(), collect()];
    for (const to of [first, first, second]) warnOnce("key", "message", to);
    expect([first.messages, second.messages]).toEqual([["message"], ["message"]]);
  });

  it("are of 1,000 keys at most, so that keys from data do not pile up", () => {
    const to = collect();
    for (let index = 0; index < 1500; index++) warnOnce(`${index}`, "m", to);
    expect(to.messages).toHaveLength(1000);
  });

  it("never throw what a diag throws", () => {
    const to = {
      warn() {
        throw new Error("full");
      },
      error() {},
    };
    expect(() => warnOnce("key", "message", to)).not.toThrow();
  });
});

describe("trust", () => {
  it.each([
    [true, true],
    [false, false],
    [undefined, "fallback"],
    [(source: string) => source === "s", true],
    [(source: string) => source === "other", false],
    [(() => 1) as never, false],
    [
      () => {
        throw new Error("no");
      },
      false,
    ],
  ] as const)("by %s is %s", (rule, expected) => {
    for (const fallback of [true, false]) {
      expect(isTrusted(rule, "s", fallback)).toBe(expected === "fallback" ? fallback : expected);
    }
  });
});
