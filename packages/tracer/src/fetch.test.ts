import { createRun, ROOT_CONTEXT, setForeignBaggage, setRun, withContext } from "@botanu/core";
import { describe, expect, it } from "vitest";
import { carried, type Received, serveLoopback } from "../test/loopback.ts";
import { recordEachTest } from "../test/recording.ts";
import { botanuFetch, createFetch } from "./fetch.ts";
import { type HttpEntry, startHttpEntry } from "./http-entry.ts";
import { withRun } from "./run.ts";
import { setSpan } from "./span.ts";
import { step } from "./step.ts";
import { setTracer } from "./tracer.ts";
import { type ReadableSpan, SpanKind } from "./types.ts";

const at = serveLoopback();
const recorder = recordEachTest();
const ALL = ["traceparent", "tracestate", "baggage"];

/** In a run: everything there is to carry. */
function inRun<R>(fn: () => R): R {
  return withContext(setForeignBaggage(ROOT_CONTEXT, ["team=web"]), () =>
    withRun({ workflow: "w", eventId: "e-1" }, fn),
  );
}

describe("a request", () => {
  it("has a client span and carries the run", async () => {
    const response = await inRun(() =>
      botanuFetch(`${at.first}/items?page=2&api_key=hush#part`, { method: "post", body: "x" }),
    );
    expect(await response.text()).toBe("one POST");
    const [client, run] = recorder.spans as [ReadableSpan, ReadableSpan];
    expect(client.name).toBe("POST");
    expect(client.kind).toBe(SpanKind.CLIENT);
    expect(client.parentSpanContext?.spanId).toBe(run.spanContext().spanId);
    expect(client.attributes).toMatchObject({
      "http.request.method": "POST",
      "url.full": `${at.first}/items?page=2&api_key=REDACTED`,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(at.first).port),
      "http.response.status_code": 200,
      "botanu.run_id": run.attributes["botanu.run_id"],
    });
    expect(client.attributes).not.toHaveProperty("http.request.resend_count");
    expect(client.status.code).toBe(0);
    const { traceId, spanId } = client.spanContext();
    const { headers, path, body } = at.received[0] as Received;
    expect([path, body]).toEqual(["/items?page=2&api_key=hush", "x"]);
    expect(headers["traceparent"]).toBe(`00-${traceId}-${spanId}-03`);
    expect(headers["tracestate"]).toBe(`botanu=${String(run.attributes["botanu.run_id"])}`);
    expect(headers["baggage"]).toMatch(/^botanu\.run_id=[^,]+,botanu\.workflow=w,botanu\.event_id=e-1,.*,team=web$/);
  });

  it.each([404, 500, 304])("tells of status %i", async (status) => {
    const response = await botanuFetch(`${at.first}/status/${status}`);
    expect(response.status).toBe(status);
    const [span] = recorder.spans as [ReadableSpan];
    expect(span.attributes["http.response.status_code"]).toBe(status);
    expect(span.status.code).toBe(status >= 400 ? 2 : 0);
    expect(span.attributes["error.type"]).toBe(status >= 400 ? String(status) : undefined);
  });

  it("that fails says so once, and the caller gets the very error", async () => {
    const error = Object.assign(new TypeError("fetch failed"), { cause: new Error("refused") });
    const broken = createFetch({ fetch: () => Promise.reject(error) });
    await expect(inRun(() => broken(at.first))).rejects.toBe(error);
    const [client, run] = recorder.spans as [ReadableSpan, ReadableSpan];
    expect(client.attributes["error.type"]).toBe("TypeError");
    expect(client.status).toEqual({ code: 2, message: "fetch failed" });
    expect(client.events.map(({ name }) => name)).toEqual(["exception"]);
    expect(run.events.map(({ name }) => name)).toEqual(["botanu.run.started", "botanu.run.completed"]);
  });

  it("may be aborted", async () => {
    await expect(botanuFetch(at.first, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect(recorder.spans[0]?.attributes["error.type"]).toBe("AbortError");
    expect(at.received).toEqual([]);
  });

  it("with a method of its own has a span name of low cardinality", async () => {
    await botanuFetch(at.first, { method: "purge" });
    expect(recorder.spans[0]?.name).toBe("HTTP");
    expect(recorder.spans[0]?.attributes).toMatchObject({
      "http.request.method": "_OTHER",
      "http.request.method_original": "purge",
    });
  });

  it.each([
    ["http://public.example/a", "public.example", 80],
    ["https://public.example/a", "public.example", 443],
    ["https://public.example:8443/a", "public.example", 8443],
    ["http://user:secret@public.example/a", "public.example", 80],
  ])("to %s is named without secrets", async (url, address, port) => {
    await createFetch({ fetch: async () => new Response() })(url);
    expect(recorder.spans[0]?.attributes).toMatchObject({
      "url.full": url.replace("user:secret@", ""),
      "server.address": address,
      "server.port": port,
    });
  });

  it("with a query of any length is described in linear time", async () => {
    const quiet = createFetch({ fetch: async () => new Response() });
    const start = performance.now();
    for (const query of [
      "a".repeat(100_000),
      "&".repeat(100_000),
      "a=".repeat(50_000),
      `${"a".repeat(100_000)}=&key=k`,
    ]) {
      await quiet(`http://public.example/?${query}`);
    }
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(recorder.spans[3]?.attributes["url.full"]).toMatch(/=&key=REDACTED$/);
  });

  it("outside a run carries the trace alone", async () => {
    await botanuFetch(at.first);
    expect(carried(at.received[0])).toEqual(["traceparent"]);
  });

  it("starts in the context that it is given", async () => {
    const context = setRun(ROOT_CONTEXT, createRun({ workflow: "given" }));
    await createFetch({ context, tracer: recorder.withOptions({}) })(at.first);
    expect(recorder.spans[0]?.attributes["botanu.workflow"]).toBe("given");
    expect(at.received[0]?.headers["baggage"]).toContain("botanu.workflow=given");
  });

  it("is not traced where an exporter sends", async () => {
    const suppressed = ROOT_CONTEXT.setValue(Symbol.for("OpenTelemetry SDK Context Key SUPPRESS_TRACING"), true);
    await withContext(setRun(suppressed, createRun({ workflow: "w" })), () => botanuFetch(at.first));
    expect([recorder.spans, carried(at.received[0])]).toEqual([[], []]);
  });

  it("carries the run without any tracer, and an active span's trace", async () => {
    const theirs = recorder.tracer.startSpan("theirs");
    setTracer(undefined);
    const context = setRun(setSpan(ROOT_CONTEXT, theirs), createRun({ workflow: "w" }));
    await withContext(context, () => botanuFetch(at.first));
    expect(carried(at.received[0])).toEqual(ALL);
    expect(at.received[0]?.headers["traceparent"]).toContain(theirs.spanContext().spanId);
    expect(theirs.isRecording()).toBe(true);
  });
});

describe("where context goes", () => {
  const cases: Array<[string, Parameters<typeof createFetch>[0], string, string[]]> = [
    ["nowhere public by default", {}, "http://api.example/x", []],
    ["the run where propagateTo says", { propagateTo: "api.example" }, "http://api.example/x", ["baggage"]],
    ["the trace where traceTo says", { traceTo: "*.example" }, "http://api.example/x", ["traceparent"]],
    ["both where both say", { propagateTo: "*", traceTo: "*" }, "http://api.example/x", ALL],
  ];
  it.each(cases)("%s", async (_, options, url, expected) => {
    await inRun(() => createFetch({ ...options, fetch: at.send })(url));
    expect(carried(at.received[0])).toEqual(expected);
    if (!expected.includes("tracestate"))
      expect(recorder.warnings).toEqual([expect.stringContaining("api.example is not in")]);
  });

  it("is the tracer's decision when the function has none of its own", async () => {
    setTracer(recorder.withOptions({ propagateTo: "api.example", traceTo: "api.example" }));
    await inRun(() => createFetch({ fetch: at.send })("http://api.example/"));
    await inRun(() => createFetch({ fetch: at.send, propagateTo: "other.example" })("http://api.example/"));
    expect([carried(at.received[0]), carried(at.received[1])]).toEqual([ALL, []]);
  });

  it("refuses a bad rule at set-up", () => {
    expect(() => createFetch({ propagateTo: "https://api.example/" })).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });

  it.each<[string, Record<string, string>, Record<string, unknown>]>([
    ["baggage", { baggage: "mine=1" }, { baggage: "mine=1", tracestate: expect.stringMatching(/^botanu=/) }],
    [
      "traceparent",
      { traceparent: "mine" },
      { traceparent: "mine", tracestate: undefined, baggage: expect.any(String) },
    ],
    ["tracestate", { tracestate: "mine=1" }, { tracestate: "mine=1", traceparent: expect.any(String) }],
  ])("leaves the caller's own %s as it is", async (_, headers, expected) => {
    await inRun(() => botanuFetch(at.first, { headers }));
    const own = at.received[0]?.headers ?? {};
    expect({ ...own, tracestate: own["tracestate"] }).toMatchObject(expected);
  });

  it.each<[string, string, Record<string, string>]>([
    ["SigV4", "/", { authorization: "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu/s3/aws4_request, Signature=ab" }],
    ["SigV4a", "/", { authorization: "AWS4-ECDSA-P256-SHA256 Credential=AKIA/20260101/s3/aws4_request, Signature=ab" }],
    ["a link presigned by AWS", "/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab", {}],
    ["a link presigned by Google", "/k?x-goog-signature=ab", {}],
    ["a shared access signature", "/k?sv=2026-01-01&sig=ab%3D", {}],
  ])("sends nothing with %s", async (_, path, headers) => {
    await inRun(() => botanuFetch(at.first + path, { headers }));
    expect(carried(at.received[0])).toEqual([]);
    expect(recorder.spans[0]?.attributes["url.full"]).not.toContain("ab");
  });
});

describe("a request that came in and is handed on", () => {
  const STRANGER = {
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    tracestate: "botanu=019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2,other=1",
    baggage: "botanu.run_id=019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2,botanu.workflow=theirs,team=web",
    "x-botanu-run-id": "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2",
    "x-botanu-workflow": "theirs",
    "x-botanu-customer-id": "victim",
    "x-own": "1",
  };

  /** Sends `send` of the incoming request from inside its entry. */
  async function handOn(trust: boolean, send: (incoming: Request) => Promise<unknown>): Promise<HttpEntry> {
    const request = new Request(at.first, { headers: STRANGER });
    const work = { key: request, method: "GET", url: request.url, headers: request.headers };
    const entry = await startHttpEntry(recorder.tracer, undefined, work, request, { workflow: "ours", trust });
    await withContext(entry.context, () => send(request));
    return entry;
  }

  it.each<[string, (incoming: Request) => Promise<unknown>]>([
    ["as it is", (incoming) => botanuFetch(incoming)],
    ["as a new request", (incoming) => botanuFetch(new Request(`${at.first}/other`, incoming))],
    ["by its headers", ({ headers }) => botanuFetch(at.first, { headers })],
    ["by its headers as a record", ({ headers }) => botanuFetch(at.first, { headers: Object.fromEntries(headers) })],
    ["below a step", (incoming) => step("s", () => botanuFetch(incoming))],
  ])("%s carries our run, and nothing of a stranger's", async (_, send) => {
    const { run } = await handOn(false, send);
    const headers = at.received[0]?.headers ?? {};
    expect(headers).toMatchObject({ "x-own": "1", tracestate: `botanu=${run?.runId},other=1` });
    expect(headers["baggage"]).toMatch(new RegExp(`^botanu\\.run_id=${run?.runId},botanu\\.workflow=ours,.*team=web$`));
    const client = recorder.spans.find(({ kind }) => kind === SpanKind.CLIENT);
    expect(headers["traceparent"]).toContain(client?.spanContext().spanId);
    expect(Object.keys(headers).filter((name) => name.startsWith("x-botanu"))).toEqual([]);
  });

  it("takes nothing to a host that is not to have it", async () => {
    await handOn(true, () => createFetch({ fetch: at.send })("http://api.example/", { headers: STRANGER }));
    expect(at.received[0]?.headers).toMatchObject({ "x-own": "1" });
    expect(carried(at.received[0])).toEqual([]);
  });

  it("keeps what the application set instead", async () => {
    await handOn(false, () => botanuFetch(at.first, { headers: { ...STRANGER, baggage: "mine=1" } }));
    expect(at.received[0]?.headers["baggage"]).toBe("mine=1");
  });
});

describe("what the caller passes in", () => {
  it("is not changed", async () => {
    const headers = new Headers({ "x-own": "1" });
    const init = Object.freeze({ method: "PUT", headers, body: "b" });
    const request = new Request(`${at.first}/request`, { method: "PUT", headers, body: "b" });
    const url = new URL(`${at.first}/url`);
    await inRun(() => Promise.all([botanuFetch(url, init), botanuFetch(request)]));
    for (const own of [headers, request.headers])
      expect([...own.keys()].filter((name) => ALL.includes(name))).toEqual([]);
    expect(at.received.map(({ body, headers: got }) => [body, got["x-own"], got["baggage"] !== undefined])).toEqual([
      ["b", "1", true],
      ["b", "1", true],
    ]);
  });

  it("reaches the host's fetch: members that only it knows, streams unread, the input as it is", async () => {
    const calls: Array<[unknown, RequestInit & { cf?: unknown }]> = [];
    const body = new ReadableStream();
    const init = { method: "POST", body, duplex: "half", cf: { cacheTtl: 5 }, signal: new AbortController().signal };
    const spy = createFetch({
      fetch: async (input, given) => {
        calls.push([input, given ?? {}]);
        return new Response();
      },
    });
    const request = new Request(at.first);
    await spy(at.first, init as RequestInit);
    await spy(request);
    expect(calls[0]?.[0]).toBe(at.first);
    expect(calls[0]?.[1]).toMatchObject({ method: "POST", duplex: "half", cf: init.cf });
    expect([calls[0]?.[1].body, calls[0]?.[1].signal]).toEqual([body, init.signal]);
    expect(body.locked).toBe(false);
    expect(calls[1]?.[0]).toBe(request);
  });

  it("may be a request in the place of the init", async () => {
    const request = new Request("http://elsewhere.example", { method: "POST", body: "b", headers: { "x-own": "1" } });
    await inRun(() => botanuFetch(`${at.first}/proxied`, request));
    expect(at.received[0]).toMatchObject({ method: "POST", path: "/proxied", body: "b" });
    expect(at.received[0]?.headers["x-own"]).toBe("1");
    expect(carried(at.received[0])).toEqual(ALL);
  });

  it.each(["data:text/plain,hello", URL.createObjectURL(new Blob(["hello"]))])(
    "passes through when it is %s",
    async (url) => {
      expect(await (await botanuFetch(url)).text()).toBe("hello");
      expect(recorder.spans).toEqual([]);
    },
  );

  it.each<[string, unknown, RequestInit]>([
    ["no URL", "not a url", {}],
    ["a relative URL", "/relative", {}],
    ["credentials in the URL", "http://user:pw@127.0.0.1/", {}],
    ["a bad method", "http://127.0.0.1/", { method: "A B" }],
    ["a bad header", "http://127.0.0.1/", { headers: { "a b": "c" } }],
    ["a body with GET", "http://127.0.0.1/", { body: "b" }],
    ["a used request", usedRequest(), {}],
  ])("fails as with fetch: %s", async (_, input, init) => {
    const native = await fetch(input as string, init).catch((error: unknown) => error as Error);
    await expect(botanuFetch(input as string, init)).rejects.toThrow((native as Error).message);
    expect(native).toBeInstanceOf(TypeError);
  });
});

function usedRequest(): Request {
  const request = new Request("http://127.0.0.1/", { method: "POST", body: "b" });
  void request.text();
  return request;
}

describe("requests beside each other", () => {
  it("carry each their own run", async () => {
    const results = Array.from({ length: 200 }, (_, index) =>
      withRun({ workflow: "w", eventId: `e${index}` }, async (run) => {
        await (await botanuFetch(`${index % 2 ? at.first : at.second}/${index}`)).text();
        return run.runId;
      }),
    );
    const ids = await Promise.all(results);
    expect(at.received).toHaveLength(200);
    for (const { path, headers } of at.received) {
      const index = Number(path.slice(1));
      expect(headers["baggage"]).toContain(`botanu.run_id=${ids[index]},`);
      expect(headers["baggage"]).toContain(`botanu.event_id=e${index},`);
    }
  });
});
