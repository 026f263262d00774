// A Worker with all three kinds of events, as an application has it: plain handlers, not built for tracing.

import { activeRun, step } from "@botanu/tracer";
import { botanu, type BotanuEnv } from "@botanu/hono";
import { Hono } from "hono";
import {
  contextOf,
  createFetch,
  type ExecutionContext,
  forEachMessage,
  instrument,
  instrumentFetcher,
  instrumentQueue,
  type MessageBatch,
  outgoingFetch,
  type ScheduledController,
} from "@botanu/workers";

interface Env {
  readonly COLLECTOR: string;
  readonly UPSTREAM: string;
  readonly ORDERS: {
    send(body: unknown): Promise<void>;
    sendBatch(messages: Iterable<{ body: unknown }>): Promise<void>;
  };
  readonly BILLING: { fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> };
  readonly REPORTS: { send(body: unknown): Promise<void> };
}

const encoder = new TextEncoder();

function streamOf(parts: number, fail = false): ReadableStream<Uint8Array> {
  let part = 0;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      if (part++ < parts) controller.enqueue(encoder.encode("x"));
      else if (fail) controller.error(new RangeError("source dried up"));
      else controller.close();
    },
  });
}

const app = new Hono<BotanuEnv & { Bindings: Env }>();
app.use(botanu({ workflow: "orders", eventId: (c) => c.req.query("event") }));
app.get("/app/:id", (c) => c.json({ run: c.var.botanu?.runId, active: activeRun()?.runId ?? null }));
app.get("/app/boom/:id", () => {
  throw new TypeError("no stock");
});

const routes: Record<string, (request: Request, env: Env, ctx: ExecutionContext) => Response | Promise<Response>> = {
  async work(request, env) {
    const context = contextOf(request);
    await new Promise((resolve) => setTimeout(resolve, Number(new URL(request.url).searchParams.get("wait") ?? 0)));
    await step(
      "load",
      (inner) => createFetch({ context: inner })(`${env.UPSTREAM}/${new URL(request.url).searchParams.get("event")}`),
      context,
    );
    return Response.json({ active: activeRun()?.eventId ?? null, cached: activeRun()?.runId ?? null });
  },
  plain: () => new Response("plain"),
  stream: () => new Response(streamOf(3), { status: 201, headers: { "x-kept": "yes" } }),
  endless: () => new Response(streamOf(1000)),
  dry: () => new Response(streamOf(2, true)),
  proxied: (_request, env) => fetch(env.UPSTREAM),
  boom() {
    throw new RangeError("broken");
  },
  upgrade() {
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(`echo ${String(data)}`));
    server.addEventListener("close", () => server.close());
    return new Response(null, { status: 101, webSocket: client } as ResponseInit);
  },
  async enqueue(request, env) {
    const orders = instrumentQueue(env.ORDERS, "orders", contextOf(request));
    await orders.send({ id: "m1" });
    await orders.sendBatch([{ body: { id: "m2" } }, { body: "no object" }]);
    return new Response("sent");
  },
  async mixed(request, env) {
    await instrumentQueue(env.REPORTS, "reports", contextOf(request)).send({ id: "traced" });
    await env.REPORTS.send({ id: "untraced" });
    return new Response("sent");
  },
  async billing(request, env) {
    return instrumentFetcher(env.BILLING, contextOf(request)).fetch("https://billing.example/charge");
  },
  async away(request) {
    const call = activeRun() ? outgoingFetch : createFetch({ context: contextOf(request) });
    await call("https://api.partner.example/v1");
    await call("https://orders.example/v1");
    return new Response("sent");
  },
  later(request, _env, ctx) {
    const context = contextOf(request);
    ctx.waitUntil(
      new Promise((resolve) => setTimeout(resolve, 20)).then(() => step("later", () => undefined, context)),
    );
    return new Response("soon");
  },
};

declare const WebSocketPair: new () => Record<0 | 1, WebSocket & { accept(): void }>;

const handler = {
  greeting: "kept",
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const name = new URL(request.url).pathname.split("/")[1] ?? "";
    if (name === "app") return app.fetch(request, env, ctx as never);
    if (name === "this") return new Response(this.greeting);
    return (await routes[name]?.(request, env, ctx)) ?? new Response("not here", { status: 404 });
  },
  async scheduled(controller: ScheduledController, env: Env): Promise<void> {
    if (controller.cron === "0 0 1 1 *") throw new Error("new year");
    await createFetch({ context: contextOf(controller) })(`${env.UPSTREAM}/cron`);
  },
  async queue(batch: MessageBatch, env: Env): Promise<void> {
    await forEachMessage<{ id: string }>(batch as MessageBatch<{ id: string }>, async (message, context) => {
      await createFetch({ context })(
        `${env.UPSTREAM}/message?body=${encodeURIComponent(JSON.stringify(message.body))}`,
      );
      if (message.body.id === "m1" && message.attempts === 1) throw new Error("first delivery refused");
      if (message.body.id === "m2" && message.attempts === 1) message.retry();
    });
  },
};

export default instrument(handler, (env: Env) => ({
  serviceName: "edge",
  environment: "test",
  url: env.COLLECTOR,
  maxAttempts: 1,
  timeoutMillis: 2000,
  propagateTo: "orders.example",
  traceTo: "orders.example",
  workflow: (request) => new URL(request.url).searchParams.get("workflow") ?? undefined,
  eventId: (request) => new URL(request.url).searchParams.get("event") ?? undefined,
  trust: (request) => request.headers.get("x-gate") === "key",
  scheduled: { workflow: "nightly", eventId: ({ cron }) => cron },
}));
