import { request as httpRequest } from "node:http";
import {
  type Miniflare,
  type MiniflareOptions,
  type Request as MiniflareRequest,
  Response as MiniflareResponse,
} from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CALLER, KIND, only, RUN_ID, type SentSpan, serveCollector, serveUpstream, TRACE_ID } from "@botanu/loopback";
import { bundleWorker, startWorker } from "../test/workerd.ts";

const collector = serveCollector();
const upstream = serveUpstream();

const scripts = { worker: "", billing: "" };
beforeAll(async () => {
  for (const name of ["worker", "billing"] as const) {
    scripts[name] = await bundleWorker(new URL(`../test/${name}.ts`, import.meta.url).pathname);
  }
});

/** Everything that a Worker sends: to the collector of the test at hand, to the upstream, or to a host that is only noted. */
function outbound(away: Array<Record<string, string>>) {
  return async (request: MiniflareRequest): Promise<MiniflareResponse> => {
    const { hostname } = new URL(request.url);
    const headers = Object.fromEntries(request.headers);
    if (hostname === "collector.test") {
      await fetch(collector.url, { method: "POST", headers, body: await request.arrayBuffer() });
      return new MiniflareResponse("{}", { headers: { "content-type": "application/json" } });
    }
    if (hostname === "127.0.0.1") {
      const response = await fetch(request.url, { headers });
      return new MiniflareResponse(await response.text(), { headers: { "content-type": "application/json" } });
    }
    away.push({ host: hostname, ...headers });
    return new MiniflareResponse("ok");
  };
}

function optionsOf(flags: readonly string[], away: Array<Record<string, string>>): MiniflareOptions {
  const bindings = { COLLECTOR: "http://collector.test/v1/traces", UPSTREAM: upstream.url };
  const common = {
    compatibilityDate: "2026-04-01",
    compatibilityFlags: [...flags],
    outboundService: outbound(away),
    bindings,
  };
  return {
    workers: [
      {
        ...common,
        name: "worker",
        modules: [{ type: "ESModule", path: "worker.mjs", contents: scripts.worker }],
        unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
        serviceBindings: { BILLING: "billing" },
        queueProducers: { ORDERS: { queueName: "orders" }, REPORTS: { queueName: "reports" } },
        queueConsumers: {
          orders: { maxBatchTimeout: 0.05, maxRetries: 3, retryDelay: 0 },
          reports: { maxBatchTimeout: 0.05, maxRetries: 3, retryDelay: 0 },
        },
      },
      { ...common, name: "billing", modules: [{ type: "ESModule", path: "billing.mjs", contents: scripts.billing }] },
    ],
  } as MiniflareOptions;
}

const FLAGS: ReadonlyArray<readonly string[]> = [[], ["nodejs_als"], ["nodejs_compat"]];

describe.each(FLAGS.map((flags) => [flags.join() || "no flags", flags] as const))("in workerd with %s", (_, flags) => {
  const hasStore = flags.length > 0;
  const away: Array<Record<string, string>> = [];
  let url: URL;
  let miniflare: Miniflare;

  beforeAll(async () => {
    ({ url, miniflare } = await startWorker(optionsOf(flags, away)));
  });
  afterAll(() => miniflare.dispose());

  // Each on a connection of its own: workerd drops one whose body failed, and the next request must not be the one to notice.
  const ask = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(new URL(path, url), {
      ...init,
      headers: { connection: "close", ...(init?.headers as Record<string, string>) },
    });

  describe("a request", () => {
    it("is a server span, its run span below, and one export", async () => {
      const response = await ask("/work?workflow=orders&event=e7&api_key=s3cret");
      const run = response.headers.get("x-botanu-run-id");
      expect(await response.json()).toEqual(hasStore ? { active: "e7", cached: run } : { active: null, cached: null });
      const spans = await collector.received(4);
      expect(collector.posts).toBe(1);
      const server = spans.find(({ kind }) => kind === KIND.SERVER);
      expect(server).toMatchObject({
        name: "GET",
        parentSpanId: "",
        attributes: {
          "http.request.method": "GET",
          "http.response.status_code": 200,
          "url.path": "/work",
          "url.query": "workflow=orders&event=e7&api_key=REDACTED",
          "server.address": "127.0.0.1",
        },
        resource: {
          "service.name": "edge",
          "faas.name": "edge",
          "cloud.provider": "cloudflare",
          "cloud.platform": "cloudflare.workers",
          "deployment.environment.name": "test",
          "telemetry.distro.name": "botanu",
        },
      });
      expect(only(spans, "botanu.run/orders")).toMatchObject({ kind: KIND.INTERNAL, parentSpanId: server?.spanId });
      for (const span of spans)
        expect(span.attributes).toMatchObject({ "botanu.run_id": run, "botanu.event_id": "e7" });
      expect(upstream.requests[0]?.headers["tracestate"]).toBe(`botanu=${run}`);
    });

    it("keeps apart from 200 others, all of whose spans arrive in one export each", async () => {
      const runs = await Promise.all(
        Array.from({ length: 200 }, async (_each, index) => {
          const response = await ask(`/work?workflow=orders&event=e${index}&wait=${(index * 7) % 11}`);
          if (hasStore) expect(await response.json()).toMatchObject({ active: `e${index}` });
          return response.headers.get("x-botanu-run-id");
        }),
      );
      const spans = await collector.received(800);
      expect(collector.posts).toBe(200);
      runs.forEach((run, index) => {
        const own = spans.filter((span) => span.attributes["botanu.run_id"] === run);
        expect(own.map((span) => span.attributes["botanu.event_id"])).toEqual(Array(4).fill(`e${index}`));
      });
      for (const { path, headers } of upstream.requests)
        expect(headers.baggage).toContain(`botanu.event_id=${path.slice(1)},`);
    });

    it("is believed only when its caller is, even where it names no workflow", async () => {
      const stranger = await ask("/work", { headers: CALLER });
      expect(stranger.headers.has("x-botanu-run-id")).toBe(false);
      const spans = await collector.received(3);
      expect(spans.find(({ kind }) => kind === KIND.SERVER)?.attributes["botanu.untrusted.run_id"]).toBe(RUN_ID);
      expect(spans.every((span) => span.traceId === TRACE_ID && !("botanu.run_id" in span.attributes))).toBe(true);
      expect(upstream.requests[0]?.headers.baggage).toBe("team=blue");
      const known = await ask("/work", { headers: { ...CALLER, "x-gate": "key" } });
      expect(known.headers.get("x-botanu-run-id")).toBe(RUN_ID);
      expect(upstream.requests[1]?.headers.baggage).toContain(`botanu.run_id=${RUN_ID},botanu.workflow=intake`);
      await collector.received(6);
    });

    it("carries context to listed hosts and to no others", async () => {
      away.length = 0;
      await ask("/away?workflow=orders", { headers: CALLER });
      const sent = away.map(({ host, ...headers }) => [
        host,
        ["baggage", "traceparent", "tracestate"].filter((name) => name in headers),
      ]);
      expect(sent).toEqual([
        ["api.partner.example", []],
        ["orders.example", ["baggage", "traceparent", "tracestate"]],
      ]);
      await collector.received(4);
    });

    it("keeps an error what it was, records it and still exports", async () => {
      const response = await ask("/boom?workflow=orders");
      expect(response.status).toBe(500);
      const spans = await collector.received(2);
      expect(only(spans, "GET")).toMatchObject({
        status: { code: 2, message: "broken" },
        attributes: { "error.type": "RangeError" },
      });
      expect(only(spans, "botanu.run/orders").events.at(-1)?.attributes).toMatchObject({ status: "failure" });
      expect(spans.flatMap(({ events }) => events).filter(({ name }) => name === "exception")).toHaveLength(1);
    });

    it("calls the handler on its own object", async () => {
      expect(await (await ask("/this")).text()).toBe("kept");
      await collector.received(1);
    });

    it("waits with its export for the application's own waitUntil", async () => {
      await ask("/later?workflow=orders");
      only(await collector.received(3), "botanu.step/later");
      expect(collector.posts).toBe(1);
    });

    it("takes the app inside as a layer of the same span, which it names", async () => {
      const response = await ask("/app/7?event=e9");
      const { run, active } = (await response.json()) as { run: string; active: string | null };
      expect(active).toBe(hasStore ? run : null);
      expect(response.headers.get("x-botanu-run-id")).toBe(run);
      const spans = await collector.received(2);
      expect(spans.map(({ name }) => name).toSorted()).toEqual(["GET /app/:id", "botanu.run/orders"]);
      for (const span of spans)
        expect(span.attributes).toMatchObject({ "botanu.run_id": run, "botanu.event_id": "e9" });
      expect(collector.posts).toBe(1);
    });

    it("learns from the app inside what was thrown there", async () => {
      expect((await ask("/app/boom/7")).status).toBe(500);
      const spans = await collector.received(2);
      expect(only(spans, "GET /app/boom/:id")).toMatchObject({
        status: { code: 2 },
        attributes: { "error.type": "TypeError" },
      });
      expect(spans.flatMap(({ events }) => events).filter(({ name }) => name === "exception")).toHaveLength(1);
    });
  });

  describe("a response", () => {
    it("of a text keeps its length", async () => {
      const response = await ask("/plain");
      expect(response.headers.get("content-length")).toBe("5");
      await collector.received(1);
    });

    it("that streams keeps status and headers, and its spans last as long", async () => {
      const response = await ask("/stream?workflow=orders");
      expect([response.status, response.headers.get("x-kept"), await response.text()]).toEqual([201, "yes", "xxx"]);
      const spans = await collector.received(2);
      for (const { millis } of spans) expect(millis).toBeGreaterThan(40);
      expect(collector.posts).toBe(1);
    });

    it("whose client goes away ends then", async () => {
      await new Promise<void>((resolve) => {
        const request = httpRequest(new URL("/endless?workflow=orders", url), (response) => {
          response.once("data", () => request.destroy());
        });
        request.on("error", () => undefined).on("close", resolve);
        request.end();
      });
      const spans = await collector.received(2);
      expect(only(spans, "GET")).toMatchObject({ status: {}, attributes: { "botanu.response.end": "aborted" } });
      expect(only(spans, "botanu.run/orders").events.at(-1)?.attributes["status"]).toBe("canceled");
    });

    it("whose source fails is a failure", async () => {
      await ask("/dry?workflow=orders")
        .then((response) => response.text())
        .catch(() => undefined);
      const spans = await collector.received(2);
      expect(only(spans, "GET")).toMatchObject({
        status: { code: 2 },
        attributes: { "botanu.response.end": "failed", "error.type": "RangeError", "http.response.status_code": 200 },
      });
    });

    it("of somebody else gets the run's id in spite of its immutable headers", async () => {
      const response = await ask("/proxied?workflow=orders");
      expect(response.headers.get("x-botanu-run-id")).toMatch(/^[\da-f-]{36}$/);
      expect(await response.json()).toEqual({ up: true });
      await collector.received(2);
    });

    it("that answers HEAD has no body to wait for", async () => {
      expect((await ask("/stream?workflow=orders", { method: "HEAD" })).status).toBe(201);
      only(await collector.received(2), "HEAD");
    });

    it("that is an upgrade keeps its socket", async () => {
      const response = await miniflare.dispatchFetch("http://worker/upgrade?workflow=orders", {
        headers: { upgrade: "websocket" },
      });
      expect(response.status).toBe(101);
      expect(response.headers.get("x-botanu-run-id")).toMatch(/^[\da-f-]{36}$/);
      const socket = response.webSocket;
      const echo = new Promise((resolve) => socket?.addEventListener("message", ({ data }) => resolve(data)));
      socket?.accept();
      socket?.send("hello");
      expect(await echo).toBe("echo hello");
      socket?.close();
      const spans = await collector.received(2);
      expect(only(spans, "GET").attributes["http.response.status_code"]).toBe(101);
    });
  });

  describe("a cron trigger", () => {
    it("is an entry span with its run, and one export", async () => {
      await cron(miniflare, { cron: "*/5 * * * *", scheduledTime: new Date(1_790_000_000_000) });
      const spans = await collector.received(3);
      expect(only(spans, "scheduled */5 * * * *")).toMatchObject({
        kind: KIND.SERVER,
        attributes: { "faas.trigger": "timer", "faas.cron": "*/5 * * * *", "faas.time": "2026-09-21T14:13:20.000Z" },
      });
      expect(only(spans, "botanu.run/nightly").attributes["botanu.event_id"]).toBe("*/5 * * * *");
      expect(upstream.requests[0]?.headers.baggage).toContain("botanu.workflow=nightly");
      expect(collector.posts).toBe(1);
    });

    it("that fails says so, and the failure reaches the runtime", async () => {
      expect(await cron(miniflare, { cron: "0 0 1 1 *" })).toMatchObject({ outcome: "exception" });
      const spans = await collector.received(2);
      expect(only(spans, "botanu.run/nightly").status).toEqual({ code: 2, message: "new year" });
    });
  });

  describe("a queue", () => {
    it("brings each message's run to its consumer, delivery by delivery", async () => {
      const run = (await ask("/enqueue?workflow=orders&event=e7")).headers.get("x-botanu-run-id");
      // The request: server, run, two sends. First batch: itself, three messages, three calls; second: itself, two messages, two calls.
      const spans = await collector.received(4 + 7 + 5);
      const sends = spans.filter(({ kind }) => kind === KIND.PRODUCER);
      expect(sends.map(({ name }) => name)).toEqual(["send orders", "send orders"]);
      const deliveries = spans.filter((span) => "messaging.message.id" in span.attributes);
      expect(deliveries.map(outcomeOf).toSorted()).toEqual([
        "1 ack ok",
        "1 retry error",
        "1 retry error",
        "2 ack ok",
        "2 ack ok",
      ]);
      for (const delivery of deliveries) {
        expect(delivery).toMatchObject({ name: "process orders", kind: KIND.CONSUMER });
        const batch = spans.find(({ spanId }) => spanId === delivery.parentSpanId);
        expect(batch?.attributes["messaging.batch.message_count"]).toBeGreaterThan(1);
      }
      const traced = deliveries.filter(({ attributes }) => attributes["botanu.run_id"] === run);
      expect(traced).toHaveLength(4);
      for (const { links } of traced) expect(sends.map(({ spanId }) => spanId)).toContain(links[0]?.spanId);
      const ids = traced.map(({ attributes }) => attributes["messaging.message.id"]);
      expect(new Set(ids).size).toBe(2);
      for (const { path, headers } of upstream.requests) {
        const body = new URL(path, "http://upstream").searchParams.get("body") ?? "";
        // The application sees what was sent, without the envelope.
        expect(['{"id":"m1"}', '{"id":"m2"}', '"no object"']).toContain(body);
        if (body.startsWith("{"))
          expect(headers.baggage).toContain(`botanu.run_id=${run},botanu.workflow=orders,botanu.event_id=e7`);
        else expect(headers.baggage).toBeUndefined();
      }
      // One export for the request and one for each batch.
      expect(collector.posts).toBe(3);
    });

    it("has no run around a batch whose messages do not share one", async () => {
      const run = (await ask("/mixed?workflow=reports")).headers.get("x-botanu-run-id");
      const spans = await collector.received(3 + 5);
      const batch = spans.find((span) => "messaging.batch.message_count" in span.attributes);
      expect(batch?.attributes).not.toHaveProperty("botanu.run_id");
      expect(batch?.links).toHaveLength(1);
      const deliveries = spans.filter((span) => "messaging.message.id" in span.attributes);
      expect(
        deliveries.map(({ attributes }) => attributes["botanu.run_id"]).toSorted((a) => (a === undefined ? 1 : -1)),
      ).toEqual([run, undefined]);
    });
  });

  describe("a service binding", () => {
    it("carries the whole context, whatever host is named", async () => {
      const response = await ask("/billing?workflow=orders&event=e7");
      const run = response.headers.get("x-botanu-run-id");
      expect(await response.json()).toEqual({
        host: "billing.example",
        baggage: expect.stringContaining(`botanu.run_id=${run}`) as string,
      });
      const spans = await collector.received(4);
      const hop = spans.find(({ resource }) => resource["service.name"] === "billing");
      const call = spans.find(({ kind }) => kind === KIND.CLIENT);
      expect(hop).toMatchObject({
        parentSpanId: call?.spanId,
        attributes: { "botanu.run_id": run, "botanu.event_id": "e7" },
      });
      expect(spans.filter(({ name }) => name.startsWith("botanu.run/"))).toHaveLength(1);
    });
  });
});

async function cron(miniflare: Miniflare, event: { cron: string; scheduledTime?: Date }): Promise<{ outcome: string }> {
  // Typed by a package of Cloudflare's that is not installed.
  const worker = (await miniflare.getWorker("worker")) as unknown as {
    scheduled(event: unknown): Promise<{ outcome: string }>;
  };
  return worker.scheduled(event);
}

function outcomeOf({ attributes, status }: SentSpan): string {
  const { "messaging.cloudflare.message.attempts": attempts, "botanu.message.settlement": settlement } = attributes;
  return `${String(attempts)} ${String(settlement)} ${status.code === 2 ? "error" : "ok"}`;
}

describe("in workerd with a collector that is not there", () => {
  it("changes nothing for the app", async () => {
    const options = optionsOf([], []);
    for (const worker of (
      options as { workers: Array<{ bindings: Record<string, string>; outboundService?: unknown }> }
    ).workers) {
      delete worker.outboundService;
      worker.bindings["COLLECTOR"] = "http://127.0.0.1:1/v1/traces";
    }
    const { url, miniflare } = await startWorker(options);
    try {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => fetch(new URL("/plain?workflow=orders", url))),
      );
      expect(await Promise.all(answers.map((response) => response.text()))).toEqual(Array(10).fill("plain"));
    } finally {
      await miniflare.dispose();
    }
  });
});
