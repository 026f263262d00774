import { createServer, request, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { createTraceState, parseRunId, parseTraceparent } from "@botanu/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import * as vectors from "../vectors.ts";
import type { HarnessApp } from "./instruction.ts";

const CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/** Bytes that every HTTP server lets pass in a field. */
const SENDABLE = /^[\t\x20-\x7e]{0,4096}$/;

const upstream: Server = createServer((incoming, response) => {
  seen.push(incoming.headers);
  incoming.resume().on("end", () => response.end("null"));
});
const seen: IncomingHttpHeaders[] = [];

beforeAll(() => new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve)));
afterAll(() => new Promise<void>((resolve) => void upstream.close(() => resolve())));

describe.each([
  ["hono", () => import("./hono.ts")],
  ["express", () => import("./express.ts")],
  ["workers", () => import("./workers.ts")],
])("the %s app", (_kind, load) => {
  let app: HarnessApp;
  beforeAll(async () => {
    app = await (await load()).start();
  });
  afterAll(() => app.close());

  /** Posts to the app, which calls the upstream `count` times; gives what arrived there. */
  async function forward(headers: readonly (readonly [string, string])[], count = 1): Promise<IncomingHttpHeaders[]> {
    seen.length = 0;
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
    await post(app.url, headers, JSON.stringify(Array.from({ length: count }, () => ({ url, arguments: [] }))));
    expect(seen).toHaveLength(count);
    return [...seen];
  }

  const traceparents = vectors.traceparent.parse
    .map((row) => ({ ...row, header: vectors.text(row.header) }))
    .filter(({ header }) => SENDABLE.test(header));

  it.each(traceparents)("traceparent: $title", async ({ header, expect: expected }) => {
    const [headers] = await forward([["traceparent", header]]);
    const sent = parseTraceparent(String(headers?.["traceparent"]));
    expect(sent).toBeDefined();
    if (expected === null) {
      expect(header).not.toContain(sent?.traceId);
      expect(sent?.traceFlags).toBe(3);
      return;
    }
    expect(sent).toMatchObject({ traceId: expected.traceId });
    expect(sent?.spanId).not.toBe(expected.spanId);
    // Without a sampler everything is sampled; the random flag stays as it came.
    expect(sent?.traceFlags).toBe(expected.traceFlags | 1);
  });

  const tracestates = vectors.tracestate.parse
    .map((row) => ({ ...row, header: vectors.text(row.header) }))
    .filter(({ header }) => SENDABLE.test(header));

  it.each(tracestates)("tracestate: $title", async ({ header, expect: expected, count }) => {
    const [headers] = await forward([
      ["traceparent", CALLER],
      ["tracestate", header],
    ]);
    const sent = createTraceState(String(headers?.["tracestate"]));
    expect(parseRunId(sent.get("botanu"))).toBeDefined();
    const others = sent.unset("botanu").serialize();
    if (count === undefined) {
      const members = (expected ?? []).map(([key, value]) => `${vectors.text(key)}=${vectors.text(value)}`);
      expect(others).toBe(members.join(",").trimEnd());
    } else {
      // The run's own member takes the place of the right-most one.
      expect(others.split(",")).toHaveLength(count - 1);
    }
  });

  it("two traceparent fields start a new trace", async () => {
    const [headers] = await forward([
      ["traceparent", CALLER],
      ["traceparent", CALLER.replace("319c", "319d")],
    ]);
    expect(parseTraceparent(String(headers?.["traceparent"]))?.traceId).not.toMatch(/319[cd]$/);
  });

  it("tracestate fields are joined in order, empty ones too", async () => {
    const [headers] = await forward([
      ["traceparent", CALLER],
      ["tracestate", "foo=1,bar=2"],
      ["tracestate", ""],
      ["tracestate", "baz=3"],
    ]);
    expect(headers?.["tracestate"]).toMatch(/^botanu=[0-9a-f-]{36},foo=1,bar=2,baz=3$/);
  });

  it("a tracestate without a traceparent is left behind", async () => {
    const [headers] = await forward([["tracestate", "foo=1"]]);
    expect(headers?.["tracestate"]).toMatch(/^botanu=[0-9a-f-]{36}$/);
  });

  it("three calls of one request have one trace, one run and three parents", async () => {
    const calls = await forward([["traceparent", CALLER]], 3);
    const parents = calls.map((headers) => parseTraceparent(String(headers["traceparent"])));
    expect(new Set(parents.map((each) => each?.traceId))).toEqual(new Set(["0af7651916cd43dd8448eb211c80319c"]));
    expect(new Set(parents.map((each) => each?.spanId)).size).toBe(3);
    expect(new Set(calls.map((headers) => headers["baggage"])).size).toBe(1);
  });

  it("twenty requests at once keep their runs apart", async () => {
    seen.length = 0;
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
    const body = JSON.stringify([
      { url, arguments: [] },
      { url, arguments: [] },
    ]);
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await post(app.url, [], body))["x-botanu-run-id"]),
    );
    const sent = seen.map((headers) => /botanu\.run_id=([^,]+)/.exec(String(headers["baggage"]))?.[1]);
    expect(new Set(ids).size).toBe(20);
    expect(sent).toHaveLength(40);
    for (const id of ids) expect(sent.filter((each) => each === id)).toHaveLength(2);
  });

  it("anything but a list of instructions is refused", async () => {
    await expect(post(app.url, [], '{"url":7}')).rejects.toThrow("400");
  });
});

/** Posts with fields as they are, repeated ones too; gives the response's headers. */
function post(url: string, fields: readonly (readonly [string, string])[], body: string): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const headers = [...fields.flat(), "content-type", "application/json", "host", new URL(url).host];
    const outgoing = request(
      url,
      { method: "POST", headers: [...headers, "content-length", String(body.length)] },
      (reply) => {
        reply.resume().on("end", () => {
          if (reply.statusCode === 200) resolve(reply.headers);
          else reject(new Error(`answered ${reply.statusCode}`));
        });
      },
    );
    outgoing.on("error", reject).end(body);
  });
}
