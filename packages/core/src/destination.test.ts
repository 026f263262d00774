import { describe, expect, it } from "vitest";
import { createDestinationPolicy, type DestinationOptions } from "./destination.ts";

const BOTH = { baggage: true, trace: true };
const NONE = { baggage: false, trace: false };

function decide(url: string, options?: DestinationOptions): unknown {
  return createDestinationPolicy(options)(new URL(url));
}

describe("without rules", () => {
  it.each([
    "http://localhost:3000",
    "http://127.0.0.1",
    "http://127.1",
    "http://2130706433",
    "http://0.0.0.0",
    "http://10.255.0.1",
    "http://172.16.0.1",
    "http://172.31.255.255",
    "http://192.168.1.1",
    "http://169.254.1.1",
    "http://[::1]",
    "http://[::]",
    "http://[fd00::1]",
    "http://[fc12:3456::1]",
    "http://[fe80::1]",
    "http://[febf::1]",
    "http://[::ffff:10.0.0.1]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:192.168.0.1]",
    "http://[::ffff:172.20.0.1]",
    "http://[::ffff:169.254.0.1]",
    "http://orders",
    "http://ORDERS.",
    "http://orders.shop.svc",
    "http://orders.shop.svc.cluster.local",
    "http://printer.local",
    "http://api.internal",
    "http://app.localhost",
  ])("everything goes to %s", (url) => {
    expect(decide(url)).toEqual(BOTH);
  });

  it.each([
    "https://example.com",
    "http://11.0.0.1",
    "http://172.15.0.1",
    "http://172.32.0.1",
    "http://192.169.0.1",
    "http://169.253.0.1",
    "http://128.0.0.1",
    "http://10.0.0.1.example.com",
    "http://localhost.example.com",
    "http://api.internal.example.com",
    "http://notlocal.local.example",
    "http://[2001:db8::1]",
    "http://[fec0::1]",
    "http://[::ffff:8.8.8.8]",
    "http://[::ffff:172.32.0.1]",
    "http://xlocalhost.com",
  ])("nothing goes to %s", (url) => {
    expect(decide(url)).toEqual(NONE);
  });
});

describe("a rule", () => {
  it.each<[string, NonNullable<DestinationOptions["propagateTo"]>, string, boolean]>([
    ["an exact host", "api.example.com", "https://api.example.com/x", true],
    ["an exact host in another case", "API.example.com", "https://api.EXAMPLE.com", true],
    ["an exact host with a dot at its end", "api.example.com", "https://api.example.com.", true],
    ["an exact host, but not one below it", "example.com", "https://api.example.com", false],
    ["an exact host, but not one that ends so", "example.com", "https://badexample.com", false],
    ["a host with its port", "api.example.com:8443", "https://api.example.com:8443", true],
    ["a host with the port of its scheme", "api.example.com:443", "https://api.example.com", true],
    ["a host with the port of http", "api.example.com:80", "http://api.example.com", true],
    ["a host with another port", "api.example.com:80", "https://api.example.com", false],
    ["a suffix", "*.example.com", "https://a.b.example.com", true],
    ["a suffix, but not the host itself", "*.example.com", "https://example.com", false],
    ["a suffix, but not one without its dot", "*.example.com", "https://badexample.com", false],
    ["everything", "*", "https://anything.example", true],
    ["an expression", /^api\d\.example\.com$/g, "https://api7.example.com/api8", true],
    ["an expression, but not of the path", /secret/, "https://example.com/secret", false],
    ["a predicate", (url) => url.pathname === "/in", "https://example.com/in", true],
    ["a predicate that says no", () => false, "https://example.com", false],
    ["a predicate that says anything else", (() => "yes") as never, "https://example.com", false],
    [
      "a predicate that throws",
      () => {
        throw new Error("no");
      },
      "https://example.com",
      false,
    ],
    ["one of several", ["a.example", /b\.example/], "https://b.example", true],
    ["none of none", [], "https://b.example", false],
  ])("may be %s", (_title, propagateTo, url, baggage) => {
    for (let count = 0; count < 2; count++) expect(decide(url, { propagateTo })).toEqual({ baggage, trace: false });
  });

  it("for the trace is one of its own", () => {
    expect(decide("https://a.example", { traceTo: "a.example" })).toEqual({ baggage: false, trace: true });
  });

  it.each(["", "a b", "https://a.example", "a.example/x", "a*b", "**", "*.", 7 as never, null as never])(
    "that is none (%j) is refused",
    (propagateTo) => {
      expect(() => createDestinationPolicy({ propagateTo: [propagateTo] })).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
      );
    },
  );
});

describe("a host that gets less than everything", () => {
  it("is reported once, with the options that would allow it", () => {
    const warnings: string[] = [];
    const diag = { warn: (message: string) => warnings.push(message), error: () => undefined };
    const decides = createDestinationPolicy({ traceTo: "b.example", diag });
    for (const host of ["a", "b", "a", "b"]) decides(new URL(`https://${host}.example/x?customer=7`));
    expect(warnings).toEqual(["a.example is not in propagateTo traceTo", "b.example is not in propagateTo "]);
  });
});
