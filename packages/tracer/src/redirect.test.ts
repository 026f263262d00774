import { describe, expect, it } from "vitest";
import { carried, serveLoopback } from "../test/loopback.ts";
import { recordEachTest } from "../test/recording.ts";
import { botanuFetch, createFetch } from "./fetch.ts";
import { withRun } from "./run.ts";
import type { ReadableSpan } from "./types.ts";

const at = serveLoopback();
const recorder = recordEachTest();
const ALL = ["traceparent", "tracestate", "baggage"];

function inRun<R>(fn: () => R): R {
  return withRun({ workflow: "w", eventId: "e-1" }, fn);
}

/** What a call came to, to compare ours with the host's: what the servers saw, and what the caller got. */
async function outcome(call: () => Promise<Response>): Promise<unknown> {
  at.received = [];
  const result = await call().then(
    async (response) => ({
      status: response.status,
      url: response.url,
      redirected: response.redirected,
      body: await response.text(),
    }),
    (error: unknown) => ({ failed: (error as Error).name, message: (error as Error).message }),
  );
  const kept = ["authorization", "cookie", "proxy-authorization", "content-type", "content-length", "x-own"];
  const requests = at.received.map(({ method, path, headers, body }) => {
    // The boundary of form data is random.
    const text = body.replace(/----formdata-\w+-\d+/g, "boundary");
    const type = headers["content-type"]?.replace(/boundary=.*/, "boundary");
    const own = kept.map((name) => (name === "content-type" ? type : headers[name]));
    return { method, path, body: text, own };
  });
  return { requests, result };
}

const secrets = { authorization: "Bearer t", cookie: "a=b", "proxy-authorization": "Basic p", "x-own": "1" };
const text = { headers: { ...secrets, "content-type": "application/json" }, body: '{"a":1}' };

describe("redirects, as the host follows them", () => {
  type Make = () => [RequestInfo | URL, RequestInit?];
  const to = (status: number, location: string): string =>
    `${at.first}/status/${status}?location=${encodeURIComponent(location)}`;
  const form = (): FormData => {
    const data = new FormData();
    data.set("a", "1");
    return data;
  };
  const stream = (): ReadableStream => new Blob(["streamed"]).stream();
  const cases: Array<[string, Make]> = [
    ...[301, 302, 303, 307, 308].flatMap((status) =>
      ["GET", "HEAD", "POST", "PUT", "DELETE"].map((method): [string, Make] => [
        `${status} of ${method}`,
        () => [to(status, "/next"), { method, ...(method.startsWith("P") ? text : { headers: secrets }) }],
      ]),
    ),
    ["300 is an answer", () => [to(300, "/next")]],
    ["304 is an answer", () => [to(304, "/next")]],
    ["no location", () => [`${at.first}/status/302`]],
    ["an empty location", () => [`${at.first}/status/302?location=`]],
    ["another origin", () => [to(302, `${at.second}/next`), { headers: secrets }]],
    ["another origin, with the body", () => [to(307, `${at.second}/next`), { method: "POST", ...text }]],
    [
      "there and back",
      () => [
        to(302, `${at.second}/status/302?location=${encodeURIComponent(`${at.first}/back`)}`),
        { headers: secrets },
      ],
    ],
    ["a relative path", () => [to(302, "sibling?x=1")]],
    ["a location in UTF-8", () => [to(302, "/café?q=naïve")]],
    ["a location with a fragment", () => [to(302, "/next#there")]],
    ["a fragment that goes along", () => [`${to(302, "/next")}#here`]],
    ["a location that is no URL", () => [to(302, "http://[")]],
    ["a location of another scheme", () => [to(302, "ftp://127.0.0.1/")]],
    ["a location of a data URL", () => [to(302, "data:text/plain,x")]],
    ["20 redirects", () => [`${at.first}/?left=20`]],
    ["21 redirects", () => [`${at.first}/?left=21`]],
    ["manual", () => [to(302, "/next"), { redirect: "manual" }]],
    ["error", () => [to(302, "/next"), { redirect: "error" }]],
    ["a form, with 307", () => [to(307, "/next"), { method: "POST", body: form() }]],
    ["search parameters, with 307", () => [to(307, "/next"), { method: "POST", body: new URLSearchParams("a=1") }]],
    ["bytes, with 308", () => [to(308, "/next"), { method: "PUT", body: new Uint8Array([65, 66]) }]],
    ["a blob, with 308", () => [to(308, "/next"), { method: "PUT", body: new Blob(["b"], { type: "text/x" }) }]],
    ["a stream, with 307", () => [to(307, "/next"), { method: "POST", body: stream(), duplex: "half" } as RequestInit]],
    ["a stream, with 303", () => [to(303, "/next"), { method: "POST", body: stream(), duplex: "half" } as RequestInit]],
    ["a request", () => [new Request(to(302, "/next"), { headers: secrets })]],
    ["a request with a body, with 302", () => [new Request(to(302, "/next"), { method: "POST", ...text })]],
    ["a request with a body, with 307", () => [new Request(to(307, `${at.second}/next`), { method: "POST", ...text })]],
    ["a request with a form, with 307", () => [new Request(to(307, "/next"), { method: "POST", body: form() })]],
    ["a request that says manual", () => [new Request(to(302, "/next"), { redirect: "manual" })]],
    [
      "a request, overruled",
      () => [new Request(to(302, "/next"), { redirect: "manual" }), { redirect: "follow", headers: secrets }],
    ],
  ];
  it.each(cases)("%s", async (_, make) => {
    const native = await outcome(() => fetch(...make()));
    const traced = await outcome(() => inRun(() => botanuFetch(...make())));
    expect(traced).toEqual(native);
  });

  it("goes on where the host could not: the body of a request beyond what is kept", async () => {
    const body = "x".repeat(65_537);
    await expect(botanuFetch(new Request(to(307, "/next"), { method: "POST", body }))).rejects.toThrow("fetch failed");
    expect(at.received).toHaveLength(1);
    const response = await botanuFetch(new Request(to(302, "/next"), { method: "POST", body }));
    expect(response.redirected).toBe(true);
  });

  it("does not keep a copy of a body that came over a connection", async () => {
    const headers = { "content-length": "8" };
    const request = new Request(at.first, { method: "POST", body: stream(), duplex: "half", headers } as RequestInit);
    const { body } = request;
    await createFetch({ fetch: async () => new Response() })(request);
    expect(request.body).toBe(body);
    expect(body?.locked).toBe(false);
  });
});

describe("redirects, hop by hop", () => {
  const away = "http://away.example/status/302?location=";
  const path = (...hops: string[]): string =>
    hops.reduceRight((rest, hop) => (rest ? hop + encodeURIComponent(rest) : hop), "");

  it("each have a span and a decision of their own", async () => {
    const url = path(`${at.first}/status/302?location=`, away, `${at.second}/end`);
    const headers = { authorization: "Bearer t" };
    const response = await inRun(() => createFetch({ fetch: at.send })(url, { headers }));
    expect([response.redirected, response.url]).toEqual([true, `${at.second}/end`]);
    expect([carried(at.received[0]), carried(at.received[1]), carried(at.received[2])]).toEqual([ALL, [], ALL]);
    expect(at.received.map((each) => each.headers.authorization)).toEqual(["Bearer t", undefined, undefined]);
    const run = recorder.spans.pop() as ReadableSpan;
    const read = (key: string): unknown[] => recorder.spans.map((span) => span.attributes[key]);
    expect(read("http.request.resend_count")).toEqual([undefined, 1, 2]);
    expect(read("http.response.status_code")).toEqual([302, 302, 200]);
    expect(read("server.address")).toEqual(["127.0.0.1", "away.example", "127.0.0.1"]);
    for (const span of recorder.spans) expect(span.parentSpanContext?.spanId).toBe(run.spanContext().spanId);
    expect(at.received[2]?.headers["traceparent"]).toContain(recorder.spans[2]?.spanContext().spanId);
  });

  it("keep the caller's own headers, and sign off where a link is signed", async () => {
    const headers = { baggage: "mine=1" };
    const url = path(`${at.first}/status/307?location=`, `${at.second}/object?X-Amz-Signature=ab`);
    await inRun(() => botanuFetch(url, { headers }));
    expect([carried(at.received[0]), carried(at.received[1])]).toEqual([ALL, ["baggage"]]);
    expect(at.received[1]?.headers["baggage"]).toBe("mine=1");
  });

  it("that cannot be followed fail the hop they came from", async () => {
    const body = new Blob(["b"]).stream();
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    await expect(botanuFetch(path(`${at.first}/status/307?location=`, "/next"), init)).rejects.toThrow(TypeError);
    expect(recorder.spans[0]?.attributes).toMatchObject({
      "http.response.status_code": 307,
      "error.type": "TypeError",
    });
    expect(recorder.spans[0]?.status.code).toBe(2);
  });
});
