import { readFileSync } from "node:fs";
import type { SpanExporter } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it, vi } from "vitest";
import { makeSpan, makeSpans } from "../test/spans.ts";
import { OtlpTraceExporter, type ExportResult, type OtlpExportError, type OtlpExporterOptions } from "./index.ts";

interface Call {
  readonly url: string;
  readonly headers: Headers;
  readonly init: RequestInit;
}

/** A fetch that answers 200 and remembers. */
function fakeFetch(reply: (call: Call) => Response | Promise<Response> = () => new Response("{}")) {
  const calls: Call[] = [];
  const fetch = (async (url: URL, init: RequestInit) => {
    const call = { url: `${url}`, headers: new Headers(init.headers), init };
    calls.push(call);
    return reply(call);
  }) as typeof globalThis.fetch;
  return { calls, fetch };
}

function make(options: OtlpExporterOptions = {}) {
  const fake = fakeFetch();
  const warned: string[] = [];
  const exporter = new OtlpTraceExporter({
    fetch: fake.fetch,
    sleep: () => Promise.resolve(),
    diag: { warn: (message) => warned.push(message) },
    ...options,
  });
  return { ...fake, exporter, warned };
}

function codeOf({ error }: ExportResult): string | undefined {
  return (error as OtlpExportError | undefined)?.code;
}

describe("where requests go", () => {
  it.each([
    ["nothing", {}, "http://localhost:4318/v1/traces"],
    ["a base", { endpoint: "https://a" }, "https://a/v1/traces"],
    ["a base with a slash", { endpoint: "https://a/" }, "https://a/v1/traces"],
    ["a base with a path", { endpoint: "https://a/b" }, "https://a/b/v1/traces"],
    ["a base with a path and a slash", { endpoint: "https://a/b/" }, "https://a/b/v1/traces"],
    ["a base with a query", { endpoint: "https://a/b?k=v" }, "https://a/b/v1/traces?k=v"],
    ["an exact URL", { url: "https://a/b?k=v", endpoint: "https://c" }, "https://a/b?k=v"],
    ["an exact URL without a path", { url: "https://a" }, "https://a/"],
  ])("with %s", async (_title, options, url) => {
    const { exporter, calls } = make(options);
    await exporter.send(makeSpans(1));
    expect(calls.map((call) => call.url)).toEqual([url]);
  });

  it.each(["", "a b", "localhost:4318", "grpc://a", "//user:s3cret@a", "http://user:s3cret@a:99999"])(
    "is refused at construction for %j, without its text",
    (url) => {
      const construct = () => new OtlpTraceExporter({ url });
      expect(construct).toThrow(expect.objectContaining({ code: "ERR_OTLP_INVALID_URL", message: "OTLP invalid_url" }));
    },
  );
});

describe("headers", () => {
  it("are ours where the protocol needs them", async () => {
    const { exporter, calls } = make({ headers: { "Content-Type": "text/plain", "Content-Encoding": "br", a: "1" } });
    await exporter.send(makeSpans(1));
    expect(Object.fromEntries(calls[0]?.headers ?? [])).toEqual({
      "content-type": "application/json",
      "user-agent": expect.stringMatching(/^botanu-js\/\S+ OTel-OTLP-Exporter-JavaScript\/\S+$/) as string,
      a: "1",
    });
    expect(calls[0]?.init).toMatchObject({ method: "POST", redirect: "manual" });
  });

  it("name the version of the package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    const { exporter, calls } = make();
    await exporter.send(makeSpans(1));
    expect(calls[0]?.headers.get("user-agent")).toBe(`botanu-js/${version} OTel-OTLP-Exporter-JavaScript/${version}`);
  });

  it("may come from a function, which is asked before every attempt", async () => {
    let count = 0;
    const tokens: (string | null)[] = [];
    const { fetch } = fakeFetch(({ headers }) => {
      tokens.push(headers.get("authorization"));
      return new Response("", { status: tokens.length < 3 ? 503 : 200 });
    });
    const { exporter } = make({ fetch, headers: async () => ({ authorization: `Bearer ${++count}` }) });
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(tokens).toEqual(["Bearer 1", "Bearer 2", "Bearer 3"]);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("s3cret"))],
    ["gives a line break", () => ({ a: "s3cret\r\nb: c" })],
  ])("from a function that %s fail the export without its text", async (_title, headers) => {
    const { exporter, calls, warned } = make({ headers });
    const { code, error } = await exporter.send(makeSpans(2));
    expect(code).toBe(1);
    expect(calls).toHaveLength(0);
    expect(`${error?.message}${error?.stack}${warned.join()}`).not.toContain("s3cret");
    expect(exporter.stats().dropped.retry_exhausted).toBe(2);
  });

  it("from a function that never answers end with the time limit", async () => {
    const { exporter } = make({ headers: () => new Promise(() => {}), timeoutMillis: 20 });
    expect(codeOf(await exporter.send(makeSpans(1)))).toBe("ERR_OTLP_TIMEOUT");
  });

  it("that cannot be sent are refused at construction, without their text", () => {
    const construct = () => new OtlpTraceExporter({ headers: { a: "s3cret\n" + "b\u0000" } });
    expect(construct).toThrow(
      expect.objectContaining({ code: "ERR_OTLP_INVALID_HEADERS", message: "OTLP invalid_headers" }),
    );
  });
});

describe("credentials", () => {
  it.each([
    ["http://user:p%40ss@localhost", "user:p@ss"],
    ["http://us%C3%A9r:100%25@localhost", "usér:100%"],
    ["http://token@localhost", "token:"],
  ])("in the URL (%s) become an Authorization header", async (url, userinfo) => {
    const { exporter, calls } = make({ url });
    await exporter.send(makeSpans(1));
    expect(calls[0]?.url).toBe("http://localhost/");
    expect(calls[0]?.headers.get("authorization")).toBe(`Basic ${Buffer.from(userinfo).toString("base64")}`);
  });

  it("in the headers win over those in the URL", async () => {
    const { exporter, calls } = make({ url: "http://a:b@localhost", headers: { Authorization: "Bearer x" } });
    await exporter.send(makeSpans(1));
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer x");
  });

  it.each([
    ["http://collector:4318", 1],
    ["http://127.example.com", 1],
    ["https://collector:4318", 0],
    ["http://localhost:4318", 0],
    ["http://otel.localhost", 0],
    ["http://127.0.0.2", 0],
    ["http://[::1]:4318", 0],
  ])("that others could read are warned of (%s)", async (endpoint, warnings) => {
    const { exporter, warned } = make({ endpoint, headers: { authorization: "Bearer t0ken" } });
    await exporter.send(makeSpans(1));
    await exporter.send(makeSpans(1));
    expect(warned).toHaveLength(warnings);
    expect(warned.join()).not.toContain("t0ken");
  });

  it("never get into errors or warnings, even when the receiver repeats them", async () => {
    const headers = { authorization: "Bearer t0ken", "x-api-key": "k3y" };
    const said = "token t0ken, key k3y, basic " + btoa("user:pa55");
    const fetch = async () => new Response(JSON.stringify({ message: said }), { status: 401 });
    const url = "http://user:pa55@collector/?key=qu3ry";
    const exporters = [make({ fetch, url: "http://collector/?key=qu3ry", headers }), make({ fetch, url })];
    const told: string[] = [];
    for (const { exporter, warned } of exporters) {
      const { error } = await exporter.send(makeSpans(1));
      told.push([error?.message, error?.stack, JSON.stringify(error), ...warned].join());
    }
    expect(told[0]).toContain("HTTP 401 token ***, key ***, basic");
    expect(told[0]).not.toMatch(/t0ken|k3y|qu3ry|collector/);
    expect(told[1]).toContain("basic ***");
    expect(told[1]).not.toMatch(/pa55|qu3ry|collector/);
    expect(told[1]).not.toContain(btoa("user:pa55"));
  });

  it.each([
    ["an error with the URL in its text", new TypeError("fetch failed: http://a/?key=s3cret"), "TypeError"],
    ["an error with a code in its cause", new TypeError("x", { cause: { code: "ECONNRESET" } }), "ECONNRESET"],
    ["an error with a code", Object.assign(new Error("s3cret"), { code: "ConnectionRefused" }), "ConnectionRefused"],
    ["a text", "s3cret", "undefined"],
    ["nothing", undefined, "undefined"],
  ])("are not told by %s that fetch throws", async (_title, thrown, told) => {
    const { fetch, calls } = fakeFetch(() => Promise.reject(thrown));
    const { exporter } = make({ fetch });
    const { error } = await exporter.send(makeSpans(1));
    expect(error?.message).toBe(`OTLP retry_exhausted: network ${told}`);
    expect(calls).toHaveLength(5);
  });
});

describe("fetch", () => {
  it("is called without a receiver", async () => {
    const receivers: unknown[] = [];
    const fetch = function (this: unknown) {
      receivers.push(this);
      return Promise.resolve(new Response("{}"));
    } as typeof globalThis.fetch;
    expect(await make({ fetch }).exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(receivers).toEqual([undefined]);
  });

  it("is the global one of the moment, under its instrumentation", async () => {
    const { fetch, calls } = fakeFetch();
    const exporter = new OtlpTraceExporter();
    const patched = Object.assign(vi.fn(), { __original: fetch });
    vi.stubGlobal("fetch", patched);
    try {
      expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    } finally {
      vi.unstubAllGlobals();
    }
    expect(calls).toHaveLength(1);
    expect(patched).not.toHaveBeenCalled();
  });

  it("that never settles and knows no signal ends with the time limit", async () => {
    const { exporter } = make({ fetch: () => new Promise(() => {}), timeoutMillis: 20 });
    expect(codeOf(await exporter.send(makeSpans(3)))).toBe("ERR_OTLP_TIMEOUT");
    expect(exporter.stats()).toMatchObject({ pendingSpans: 0, pendingBytes: 0, dropped: { timeout: 3 } });
  });

  it("has its body cancelled when it is too large, and when it drips", async () => {
    let cancelled = 0;
    const body = (chunk: number) =>
      new ReadableStream({
        pull: (controller) => (chunk ? controller.enqueue(new Uint8Array(chunk)) : new Promise(() => {})),
        cancel: () => void cancelled++,
      });
    const large = make({ fetch: async () => new Response(body(4096)), maxResponseBytes: 10_000 });
    expect(codeOf(await large.exporter.send(makeSpans(1)))).toBe("ERR_OTLP_NON_RETRYABLE");
    const slow = make({ fetch: async () => new Response(body(0)), timeoutMillis: 20 });
    expect(await slow.exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(cancelled).toBe(2);
  });
});

/** A fetch whose requests stay open until they are let go. */
function gate() {
  const open: (() => void)[] = [];
  const fetch = (() =>
    new Promise((resolve) => open.push(() => resolve(new Response("{}"))))) as typeof globalThis.fetch;
  return { fetch, open, release: () => open.splice(0).forEach((each) => each()) };
}

describe("memory", () => {
  it("is bounded in spans: the newest are dropped and counted", async () => {
    const { fetch, open, release } = gate();
    const { exporter } = make({ fetch, maxPendingSpans: 10 });
    const first = exporter.send(makeSpans(8));
    expect(codeOf(await exporter.send(makeSpans(3)))).toBe("ERR_OTLP_QUEUE_FULL");
    const second = exporter.send(makeSpans(2));
    expect(exporter.stats()).toMatchObject({ pendingSpans: 10, dropped: { queue_full: 3 } });
    await vi.waitFor(() => expect(open).toHaveLength(2));
    release();
    expect(await Promise.all([first, second])).toEqual([{ code: 0 }, { code: 0 }]);
    expect(exporter.stats()).toMatchObject({ sent: 10, pendingSpans: 0 });
  });

  it("is bounded in bytes", async () => {
    const { fetch, open, release } = gate();
    const { exporter } = make({ fetch, maxPendingBytes: 2000 });
    const first = exporter.send([makeSpan({ attributes: { text: "x".repeat(1000) } })]);
    expect(codeOf(await exporter.send([makeSpan({ attributes: { text: "x".repeat(1000) } })]))).toBe(
      "ERR_OTLP_QUEUE_FULL",
    );
    await vi.waitFor(() => expect(open).toHaveLength(1));
    release();
    expect(await first).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ sent: 1, dropped: { queue_full: 1 }, pendingBytes: 0 });
  });

  it("is given back when an isolate abandoned a request", async () => {
    let now = 0;
    const { exporter } = make({ fetch: () => new Promise(() => {}), maxPendingSpans: 1, now: () => now });
    void exporter.send(makeSpans(1));
    expect(exporter.stats().pendingSpans).toBe(1);
    now = 80_000;
    expect(exporter.stats().pendingSpans).toBe(0);
    await exporter.shutdown();
  });

  it("holds 200 sends at the same time", async () => {
    const { fetch, open, release } = gate();
    const { exporter } = make({ fetch });
    const sends = Array.from({ length: 200 }, () => exporter.send(makeSpans(2)));
    await vi.waitFor(() => expect(open).toHaveLength(200));
    release();
    expect(new Set((await Promise.all(sends)).map(({ code }) => code))).toEqual(new Set([0]));
    expect(exporter.stats().sent).toBe(400);
  });
});

describe("spans that cannot be encoded", () => {
  const bad = makeSpan({ spanContext: () => ({ traceId: "no", spanId: "no", traceFlags: 0 }) });

  it("are counted, and the others are sent", async () => {
    const { exporter, calls } = make();
    expect(await exporter.send([bad, ...makeSpans(2), bad])).toEqual({ code: 0 });
    expect(calls).toHaveLength(1);
    expect(exporter.stats()).toMatchObject({ sent: 2, dropped: { encode_error: 2 } });
  });

  it("alone make no request", async () => {
    const { exporter, calls } = make();
    expect(codeOf(await exporter.send([bad]))).toBe("ERR_OTLP_ENCODE_ERROR");
    expect(calls).toHaveLength(0);
  });

  it("are found by splitting when a serialiser throws", async () => {
    const { exporter } = make({
      serializer: {
        contentType: "x/y",
        serialize: (spans) => {
          if (spans.includes(bad)) throw new Error("no");
          return new Uint8Array(spans.length);
        },
        parseReply: () => ({ rejectedSpans: 0, message: "" }),
      },
    });
    expect(codeOf(await exporter.send([...makeSpans(5), bad]))).toBe("ERR_OTLP_ENCODE_ERROR");
    expect(exporter.stats()).toMatchObject({ sent: 5, dropped: { encode_error: 1 } });
  });
});

describe("life", () => {
  it("makes no request for no spans", async () => {
    const { exporter, calls } = make();
    expect(await exporter.send([])).toEqual({ code: 0 });
    expect(calls).toHaveLength(0);
  });

  it("is an OpenTelemetry exporter", async () => {
    const { exporter } = make();
    const stock: SpanExporter = exporter;
    expect(await new Promise((resolve) => stock.export([], resolve))).toEqual({ code: 0 });
  });

  it("swallows what a callback throws", async () => {
    const { exporter } = make();
    await new Promise<void>((resolve) => {
      exporter.export(makeSpans(1), () => {
        resolve();
        throw new Error("no");
      });
    });
    await exporter.forceFlush();
  });

  it("reads a batch before the caller can empty it", async () => {
    const { fetch } = fakeFetch(() => new Response("", { status: exporterRequests() === 1 ? 413 : 200 }));
    const { exporter } = make({ fetch });
    const exporterRequests = () => exporter.stats().requests;
    const spans = makeSpans(2);
    const sent = exporter.send(spans);
    spans.length = 0;
    expect(await sent).toEqual({ code: 0 });
    expect(exporter.stats().sent).toBe(2);
  });

  it("waits in forceFlush for what is under way", async () => {
    const { fetch, open, release } = gate();
    const { exporter } = make({ fetch });
    const order: string[] = [];
    const sent = exporter.send(makeSpans(1)).then(() => order.push("sent"));
    const flushed = exporter.forceFlush().then(() => order.push("flushed"));
    await vi.waitFor(() => expect(open).toHaveLength(1));
    expect(order).toEqual([]);
    release();
    await Promise.all([sent, flushed]);
    expect(order).toEqual(["sent", "flushed"]);
  });

  it("refuses spans after shutdown, and lets those under way end", async () => {
    const { fetch, open, release } = gate();
    const { exporter } = make({ fetch });
    const before = exporter.send(makeSpans(1));
    await vi.waitFor(() => expect(open).toHaveLength(1));
    const down = exporter.shutdown();
    expect(codeOf(await exporter.send(makeSpans(2)))).toBe("ERR_OTLP_SHUTDOWN");
    release();
    await down;
    expect(await before).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ sent: 1, dropped: { shutdown: 2 } });
  });

  it("says once a minute why spans are lost, and survives a logger that throws", async () => {
    let now = 0;
    const warned: string[] = [];
    const { exporter } = make({
      now: () => now,
      fetch: async () => new Response("", { status: 400 }),
      diag: {
        warn: (message) => {
          warned.push(message);
          throw new Error("no");
        },
      },
    });
    for (now of [0, 1000, 59_000, 60_000]) expect((await exporter.send(makeSpans(1))).code).toBe(1);
    expect(warned).toEqual(Array.from({ length: 2 }, () => "OTLP non_retryable: HTTP 400 (1 spans)"));
    expect(exporter.stats().dropped.non_retryable).toBe(4);
  });

  it.each([
    ["a clock", { now: () => fail() }],
    ["a random source", { random: () => fail() }],
    ["a sleep", { sleep: () => fail() }],
  ])("does not reject when %s throws", async (_title, options) => {
    const { exporter } = make({ fetch: () => Promise.reject(new Error("down")), ...options });
    expect((await exporter.send(makeSpans(1))).code).toBe(1);
  });
});

function fail(): never {
  throw new Error("no");
}
