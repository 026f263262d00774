import { describe, expect, it } from "vitest";
import { otlpOptionsFromEnv, otlpProtocolFromEnv } from "./env.ts";

const P = "OTEL_EXPORTER_OTLP_";

describe("otlpOptionsFromEnv", () => {
  it.each([
    ["nothing set", {}, {}, 0],
    ["empty is unset", { [`${P}ENDPOINT`]: "", [`${P}HEADERS`]: " " }, {}, 0],
    [
      "the endpoint for traces is exact and wins",
      { [`${P}ENDPOINT`]: "http://a:1", [`${P}TRACES_ENDPOINT`]: "http://b:2/x" },
      { url: "http://b:2/x" },
      0,
    ],
    [
      "the general endpoint is a base",
      { [`${P}ENDPOINT`]: "https://a/base?q=1" },
      { endpoint: "https://a/base?q=1" },
      0,
    ],
    ["an endpoint that is no URL is reported", { [`${P}ENDPOINT`]: "a:4318/secret" }, {}, 1],
    [
      "headers are merged, the ones for traces win",
      { [`${P}HEADERS`]: "a=1,b=2", [`${P}TRACES_HEADERS`]: "b=3" },
      { headers: { a: "1", b: "3" } },
      0,
    ],
    [
      "header values are percent-decoded",
      { [`${P}HEADERS`]: "authorization=Basic%20YQ==" },
      { headers: { authorization: "Basic YQ==" } },
      0,
    ],
    ["a stray percent sign stays", { [`${P}HEADERS`]: "a=100%" }, { headers: { a: "100%" } }, 0],
    ["a header with a line break is left out", { [`${P}HEADERS`]: "a=x%0d%0ay,b=1" }, { headers: { b: "1" } }, 1],
    ["a member without a key is left out", { [`${P}HEADERS`]: "=x,nonsense" }, {}, 2],
    ["compression", { [`${P}COMPRESSION`]: "GZIP" }, { compression: "gzip" }, 0],
    ["an unknown compression is reported", { [`${P}COMPRESSION`]: "zstd" }, {}, 1],
    ["a timeout of zero means none", { [`${P}TIMEOUT`]: "0" }, { timeoutMillis: 0 }, 0],
    ["a negative timeout is reported", { [`${P}TRACES_TIMEOUT`]: "-1" }, {}, 1],
    ["a certificate cannot be honoured", { [`${P}CERTIFICATE`]: "/ca.pem" }, {}, 1],
  ])("%s", (_title, env, options, warnings) => {
    const heard: string[] = [];
    expect(otlpOptionsFromEnv(env, (message) => heard.push(message))).toEqual(options);
    expect(heard).toHaveLength(warnings);
    expect(heard.join()).not.toContain("secret");
  });

  it("keeps a header with the name of the prototype", () => {
    const { headers } = otlpOptionsFromEnv({ [`${P}HEADERS`]: "__proto__=x" });
    expect(Object.entries(headers as Record<string, string>)).toEqual([["__proto__", "x"]]);
  });
});

describe("otlpProtocolFromEnv", () => {
  it.each([
    [undefined, "http/protobuf", 0],
    ["http/json", "http/json", 0],
    ["grpc", "http/protobuf", 1],
  ] as const)("%s is %s", (value, protocol, warnings) => {
    const heard: string[] = [];
    expect(otlpProtocolFromEnv({ [`${P}PROTOCOL`]: value }, (message) => heard.push(message))).toBe(protocol);
    expect(heard).toHaveLength(warnings);
  });
});
