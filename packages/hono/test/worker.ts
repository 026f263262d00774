// A Hono app as a Worker has it, with the middleware alone.

import { activeRun, botanuFetch, createFetch, step } from "@botanu/tracer";
import { Hono } from "hono";
import { stream } from "hono/streaming";
import { botanu, type BotanuEnv } from "@botanu/hono";

interface Bindings {
  readonly COLLECTOR: string;
  readonly UPSTREAM: string;
}

const app = new Hono<BotanuEnv & { Bindings: Bindings }>();

app.use(
  botanu((c) => ({
    serviceName: "edge",
    environment: "test",
    url: (c.env as Bindings).COLLECTOR,
    maxAttempts: 1,
    timeoutMillis: 2000,
    workflow: "orders",
    eventId: (context) => context.req.query("event"),
    trust: (context) => context.req.header("x-gate") === "key",
  })),
);

app.get("/orders/:id", async (c) => {
  const event = c.req.query("event");
  await new Promise((resolve) => setTimeout(resolve, Number(c.req.param("id")) % 11));
  const seen = await step(
    "load",
    async (context) => {
      const call = activeRun() ? botanuFetch : createFetch({ context });
      await call(`${c.env.UPSTREAM}/${event}`);
      return activeRun()?.eventId ?? null;
    },
    c.var.botanuContext,
  );
  return c.json({ run: c.var.botanu?.runId, seen, event });
});

app.get("/away", async (c) => {
  await createFetch({ context: c.var.botanuContext })("https://api.partner.example/v1");
  await createFetch({ context: c.var.botanuContext })("http://orders.internal/v1");
  return c.text("sent");
});

app.get("/stream", (c) =>
  stream(c, async (out) => {
    for (let part = 0; part < 3; part++) {
      await out.write(`${part}`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }),
);

app.get("/later", (c) => {
  const work = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    step("later", () => undefined, c.var.botanuContext);
  };
  c.executionCtx.waitUntil(work());
  return c.text("soon");
});

app.get("/plain", (c) => c.text("plain"));

app.get("/boom", () => {
  throw new TypeError("no stock");
});

export default app;
