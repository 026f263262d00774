// The entry point: a Hono app in a Worker. It names the workflow, so every span from here on belongs to the order's run.

import { botanu, type BotanuEnv } from "@botanu/hono";
import { alwaysOn, parentBased } from "@botanu/tracer";
import { type ExecutionContext, instrument, instrumentQueue, outgoingFetch } from "@botanu/workers";
import { Hono } from "hono";

interface Bindings {
  readonly ORDERS: Queue;
  readonly INTAKE: string;
  readonly COLLECTOR: string;
  /** What is broken on purpose; empty as a rule. */
  readonly BROKEN: string;
}

interface Queue {
  send(body: unknown): Promise<void>;
}

interface Order {
  readonly id: string;
  readonly customer: string;
}

const INTAKE_ATTEMPTS = 3;
const COLLECTOR_DISTANCE_MILLIS = 60;

const app = new Hono<BotanuEnv & { Bindings: Bindings; Variables: { order: Order } }>();

// The order is read before the run starts: its ids name the run.
app.use(async (c, next) => {
  c.set("order", await c.req.json<Order>());
  await next();
});
app.use(botanu({ workflow: "order", eventId: (c) => c.get("order").id, customerId: (c) => c.get("order").customer }));

app.post("/orders", async (c) => {
  const order = c.get("order");
  const intake = await takeIn(`${c.env.INTAKE}/orders/${order.id}`, order);
  if (!intake.ok) return c.json({ error: "the intake does not answer" }, 502);
  await instrumentQueue(c.env.ORDERS, "orders").send(order);
  return c.json({ accepted: order.id }, 202);
});

/** Tries again when the function fails; each attempt is a span of its own. */
async function takeIn(url: string, order: Order): Promise<Response> {
  let response = new Response(null, { status: 502 });
  for (let attempt = 1; attempt <= INTAKE_ATTEMPTS && response.status === 502; attempt++) {
    response = await outgoingFetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(order),
    });
  }
  return response;
}

/** A collector as far away as one in production is; on loopback the export of a Worker that does not wait would still get out. */
async function distantFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  await new Promise((resolve) => setTimeout(resolve, COLLECTOR_DISTANCE_MILLIS));
  return fetch(input, init);
}

const worker = instrument(app, (env: Bindings) => ({
  serviceName: "orders-edge",
  environment: "demo",
  endpoint: env.COLLECTOR,
  // By default every run is recorded, whatever the caller's flag says.
  ...(env.BROKEN === "sampling" && { sampler: parentBased(alwaysOn) }),
  ...(env.BROKEN === "flush" && { fetch: distantFetch }),
}));

export default {
  fetch(request: Request, env: Bindings, ctx: ExecutionContext): Response | Promise<Response> {
    // A Worker whose export nobody waits for is gone with its answer.
    const waiting =
      env.BROKEN === "flush" ? { ...ctx, waitUntil: () => undefined, passThroughOnException: () => undefined } : ctx;
    return worker.fetch(request, env, waiting);
  },
};
