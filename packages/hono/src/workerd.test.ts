import type { Miniflare, Request as MiniflareRequest } from "miniflare";
import { Response as MiniflareResponse } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CALLER, only, RUN_ID, serveCollector, serveUpstream } from "@botanu/loopback";
import { bundleWorker, startWorker } from "../test/workerd.ts";

const collector = serveCollector();
const upstream = serveUpstream();
const FLAGS: ReadonlyArray<readonly string[]> = [[], ["nodejs_als"], ["nodejs_compat"]];

interface Answer {
  readonly run: string;
  readonly seen: string | null;
  readonly event: string;
}

let script = "";
beforeAll(async () => {
  script = await bundleWorker(new URL("../test/worker.ts", import.meta.url).pathname);
});

describe.each(FLAGS.map((flags) => [flags.join() || "no flags", flags] as const))("in workerd with %s", (_, flags) => {
  const hasStore = flags.length > 0;
  const away: Array<Record<string, string>> = [];
  let url: URL;
  let miniflare: Miniflare;

  beforeAll(async () => {
    // Each test has a collector of its own, so the address of the first serves to find it.
    const outboundService = async (request: MiniflareRequest): Promise<MiniflareResponse> => {
      const { hostname, pathname } = new URL(request.url);
      if (hostname !== "collector.test") {
        if (hostname !== "127.0.0.1") away.push({ host: hostname, ...Object.fromEntries(request.headers) });
        const response =
          hostname === "127.0.0.1" ? await fetch(request.url, { headers: [...request.headers] }) : new Response("ok");
        return new MiniflareResponse(await response.text());
      }
      expect(pathname).toBe("/v1/traces");
      await fetch(collector.url, { method: "POST", headers: [...request.headers], body: await request.arrayBuffer() });
      return new MiniflareResponse("{}", { headers: { "content-type": "application/json" } });
    };
    ({ url, miniflare } = await startWorker(script, {
      compatibilityFlags: [...flags],
      outboundService,
      bindings: { COLLECTOR: "http://collector.test/v1/traces", UPSTREAM: upstream.url },
    }));
  });
  afterAll(() => miniflare.dispose());

  async function ask(path: string, init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, url), init);
  }

  it("sends the spans of a request in one export", async () => {
    const response = await ask("/orders/7?event=e7");
    const answer = (await response.json()) as Answer;
    expect(answer.seen).toBe(hasStore ? "e7" : null);
    expect(response.headers.get("x-botanu-run-id")).toBe(answer.run);
    const spans = await collector.received(4);
    expect(spans.map(({ name }) => name).toSorted()).toEqual([
      "GET",
      "GET /orders/:id",
      "botanu.run/orders",
      "botanu.step/load",
    ]);
    expect(collector.posts).toBe(1);
    for (const span of spans)
      expect(span.attributes).toMatchObject({ "botanu.run_id": answer.run, "botanu.event_id": "e7" });
    expect(only(spans, "GET").parentSpanId).toBe(only(spans, "botanu.step/load").spanId);
    expect(spans[0]?.resource).toMatchObject({ "service.name": "edge", "deployment.environment.name": "test" });
    expect(upstream.requests[0]?.headers.baggage).toContain(`botanu.run_id=${answer.run}`);
  });

  it("keeps 200 concurrent requests apart, delivers all spans and makes one export each", async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_each, index) => {
        const response = await ask(`/orders/${index}?event=e${index}`);
        return (await response.json()) as Answer;
      }),
    );
    const spans = await collector.received(800);
    expect(collector.posts).toBe(200);
    expect(spans).toHaveLength(800);
    for (const { run, event, seen } of answers) {
      if (hasStore) expect(seen).toBe(event);
      const own = spans.filter((span) => span.attributes["botanu.run_id"] === run);
      expect(own.map((span) => span.attributes["botanu.event_id"])).toEqual([event, event, event, event]);
      expect(new Set(own.map(({ traceId }) => traceId)).size).toBe(1);
    }
    for (const { path, headers } of upstream.requests)
      expect(headers.baggage).toContain(`botanu.event_id=${path.slice(1)},`);
  });

  it("believes whom it is told to, and sends an untrusted run nowhere", async () => {
    const refused = (await (await ask("/orders/1", { headers: CALLER })).json()) as Answer;
    expect(refused.run).not.toBe(RUN_ID);
    expect(JSON.stringify(upstream.requests)).not.toContain(RUN_ID);
    const spans = await collector.received(4);
    expect(only(spans, "GET /orders/:id").attributes["botanu.untrusted.run_id"]).toBe(RUN_ID);
    const trusted = (await (await ask("/orders/1", { headers: { ...CALLER, "x-gate": "key" } })).json()) as Answer;
    expect(trusted.run).toBe(RUN_ID);
    await collector.received(8);
  });

  it("sends context to hosts of its own and none to others", async () => {
    away.length = 0;
    await ask("/away", { headers: CALLER });
    const carried = away.map(({ host, ...headers }) => [
      host,
      ["baggage", "traceparent", "tracestate"].filter((name) => name in headers),
    ]);
    expect(carried).toEqual([
      ["api.partner.example", []],
      ["orders.internal", ["baggage", "traceparent", "tracestate"]],
    ]);
    await collector.received(4);
  });

  it("ends the span with the streamed body, and still makes one export", async () => {
    expect(await (await ask("/stream")).text()).toBe("012");
    const spans = await collector.received(2);
    expect(only(spans, "GET /stream").millis).toBeGreaterThan(25);
    expect(collector.posts).toBe(1);
  });

  it("waits for the work that goes on after the answer", async () => {
    expect(await (await ask("/later")).text()).toBe("soon");
    const names = (await collector.received(3)).map(({ name }) => name);
    expect(names).toContain("botanu.step/later");
    expect(collector.posts).toBe(1);
  });

  it("leaves a text as it was: with its length, in one piece", async () => {
    const response = await ask("/plain");
    expect(response.headers.get("content-length")).toBe("5");
    expect(await response.text()).toBe("plain");
    only(await collector.received(2), "GET /plain");
  });

  it("records what a handler threw", async () => {
    expect((await ask("/boom")).status).toBe(500);
    const spans = await collector.received(2);
    expect(only(spans, "GET /boom")).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "TypeError" } });
    expect(spans.flatMap(({ events }) => events).filter(({ name }) => name === "exception")).toHaveLength(1);
  });
});

describe("in workerd with a collector that is not there", () => {
  it("changes nothing for the app", async () => {
    const { url, miniflare } = await startWorker(script, {
      bindings: { COLLECTOR: "http://127.0.0.1:1/v1/traces", UPSTREAM: upstream.url },
    });
    try {
      const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(new URL("/orders/1?event=e", url))));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    } finally {
      await miniflare.dispose();
    }
  });
});
