import { describe, expect, it } from "vitest";
import { only, recordEachTest } from "../test/recording.ts";
import { redactQuery, type ServerEnd, serverAttributes, serverSpanName, setServerOutcome } from "./http.ts";
import type { Attributes } from "./types.ts";

const recording = recordEachTest();

describe("serverAttributes", () => {
  const scheme = { "url.scheme": "https" };
  it.each<[string, string, Attributes]>([
    ["a plain URL", "https://a.example/x", { ...scheme, "url.path": "/x", "server.address": "a.example" }],
    [
      "a port",
      "https://a.example:8443/",
      { ...scheme, "url.path": "/", "server.address": "a.example", "server.port": 8443 },
    ],
    [
      "an IPv6 address",
      "https://[::1]:81/x",
      { ...scheme, "url.path": "/x", "server.address": "[::1]", "server.port": 81 },
    ],
    ["no path", "https://a.example", { ...scheme, "url.path": "/", "server.address": "a.example" }],
    ["no host", "https:///x", { ...scheme, "url.path": "/x" }],
    [
      "a name and a password",
      "https://me:pw@a.example/x",
      { ...scheme, "url.path": "/x", "server.address": "a.example" },
    ],
    ["an @ in the path", "https://a.example/@me", { ...scheme, "url.path": "/@me", "server.address": "a.example" }],
    [
      "a query",
      "https://a.example/x?y=1",
      { ...scheme, "url.path": "/x", "url.query": "y=1", "server.address": "a.example" },
    ],
    [
      "a query without path",
      "https://a.example?y=1",
      { ...scheme, "url.path": "/", "url.query": "y=1", "server.address": "a.example" },
    ],
    ["an empty query", "https://a.example/x?", { ...scheme, "url.path": "/x", "server.address": "a.example" }],
    [
      "a fragment",
      "https://a.example/x?y=1#z?",
      { ...scheme, "url.path": "/x", "url.query": "y=1", "server.address": "a.example" },
    ],
    ["what is no URL", "*", { "url.path": "/" }],
    ["nothing", "", { "url.path": "/" }],
  ])("reads %s", (_, url, expected) => {
    expect(serverAttributes("GET", url)).toEqual({ "http.request.method": "GET", ...expected });
  });

  it("keeps a method that it does not know apart", () => {
    expect(serverAttributes("BREW", "http://a/")).toMatchObject({
      "http.request.method": "_OTHER",
      "http.request.method_original": "BREW",
    });
    expect(serverSpanName("BREW", "/pot")).toBe("HTTP /pot");
    expect(serverSpanName("get")).toBe("HTTP");
  });

  it("has the user agent where there is one", () => {
    expect(serverAttributes("GET", "http://a/", "probe/1")["user_agent.original"]).toBe("probe/1");
    for (const none of [undefined, null, ""])
      expect(serverAttributes("GET", "http://a/", none)).not.toHaveProperty("user_agent.original");
  });

  it.each<[string, string]>([
    ["one long host", `http://${"a".repeat(200_000)}`],
    ["many @", `http://${"@".repeat(200_000)}`],
    ["many brackets", `http://${"[".repeat(200_000)}`],
    ["many slashes", `http://a/${"/".repeat(200_000)}`],
    ["many pairs", `http://a/?${"a=&".repeat(70_000)}`],
    ["one long key", `http://a/?${"a".repeat(200_000)}`],
    ["many equals signs", `http://a/?a${"=".repeat(200_000)}`],
  ])("takes no longer for %s than it is long", (_, url) => {
    const start = performance.now();
    serverAttributes("GET", url);
    expect(performance.now() - start).toBeLessThan(250);
  });
});

describe("redactQuery", () => {
  it.each<[string, string]>([
    ["a=1&token=abc&b=2", "a=1&token=REDACTED&b=2"],
    ["sig=abc", "sig=REDACTED"],
    ["Signature=abc&AWSAccessKeyId=AKIA", "Signature=REDACTED&AWSAccessKeyId=REDACTED"],
    [
      "X-Goog-Signature=a&X-Amz-Signature=b&X-Amz-Credential=c&X-Amz-Security-Token=d",
      "X-Goog-Signature=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED",
    ],
    ["api_key=1&apikey=2&api-key=3&key=4", "api_key=REDACTED&apikey=REDACTED&api-key=REDACTED&key=REDACTED"],
    [
      "password=a&client_secret=b&session_id=c&jwt=d&code=e",
      "password=REDACTED&client_secret=REDACTED&session_id=REDACTED&jwt=REDACTED&code=REDACTED",
    ],
    ["token=a=b&x=1", "token=REDACTED&x=1"],
    ["keyword=shoes&design=blue&postcode=1", "keyword=shoes&design=blue&postcode=1"],
    ["token=&token&=x", "token=&token&=x"],
    ["", ""],
  ])("makes of %j %j", (query, expected) => {
    expect(redactQuery(query)).toBe(expected);
  });
});

describe("setServerOutcome", () => {
  it.each<[string, ServerEnd, string, number, Attributes]>([
    [
      "a success",
      { method: "GET", route: "/x/:id", status: 200, failed: false },
      "GET /x/:id",
      0,
      { "http.route": "/x/:id", "http.response.status_code": 200 },
    ],
    ["a refusal", { method: "GET", status: 404, failed: false }, "GET", 0, { "http.response.status_code": 404 }],
    [
      "a failure",
      { method: "GET", status: 503, failed: true },
      "GET",
      2,
      { "http.response.status_code": 503, "error.type": "503" },
    ],
    [
      "an error",
      { method: "GET", status: 500, error: new TypeError("no"), failed: true },
      "GET",
      2,
      { "http.response.status_code": 500, "error.type": "TypeError" },
    ],
    ["no answer", { method: "GET", error: "text", failed: true }, "GET", 2, { "error.type": "string" }],
    ["nothing thrown", { method: "GET", failed: true }, "GET", 2, { "error.type": "_OTHER" }],
  ])("tells of %s", (_, end, name, code, attributes) => {
    const span = recording.tracer.startSpan("GET");
    setServerOutcome(span, end);
    span.end();
    expect(only(recording.spans)).toMatchObject({ name, status: { code }, attributes });
    expect(Object.keys(only(recording.spans).attributes).toSorted()).toEqual(Object.keys(attributes).toSorted());
  });
});
