// The entry point: a Hono app in a Worker. It names the workflow, so every span from here on belongs to the order's run.

import { botanu, type BotanuEnv } from "@botanu/hono";
import { instrument, instrumentQueue, outgoingFetch } from "@botanu/workers";
import { Hono } from "hono";

interface Bindings {
  readonly ORDERS: Queue;
  readonly ORDERS_API: string;
  readonly COLLECTOR: string;
}

interface Queue {
  send(body: unknown): Promise<void>;
}

interface Order {
  readonly id: string;
  readonly customer: string;
}

const INTAKE_ATTEMPTS = 3;

const app = new Hono<BotanuEnv & { Bindings: Bindings; Variables: { order: Order } }>();

// The order is read before the run starts: its ids name the run.
app.use(async (c, next) => {
  c.set("order", await c.req.json<Order>());
  await next();
});
app.use(botanu({ workflow: "order", eventId: (c) => c.get("order").id, customerId: (c) => c.get("order").customer }));

app.post("/orders", async (c) => {
  const order = c.get("order");
  const intake = await takeIn(`${c.env.ORDERS_API}/intake/${order.id}`, order);
  if (!intake.ok) return c.json({ error: "the warehouse does not answer" }, 502);
  await instrumentQueue(c.env.ORDERS, "orders").send(order);
  return c.json({ accepted: order.id }, 202);
});

/** Tries again when the service is briefly away; each attempt is a span of its own. */
async function takeIn(url: string, order: Order): Promise<Response> {
  let response = new Response(null, { status: 503 });
  for (let attempt = 1; attempt <= INTAKE_ATTEMPTS && response.status === 503; attempt++) {
    response = await outgoingFetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order) });
  }
  return response;
}

export default instrument(app, (env: Bindings) => ({ serviceName: "orders-edge", environment: "demo", endpoint: env.COLLECTOR }));
