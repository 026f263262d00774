import { botanu } from "@botanu/hono";
import { botanuFetch } from "@botanu/tracer";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

import { carryOut, readInstructions, type HarnessApp } from "./instruction.ts";
import { listening } from "./listening.ts";

/** A Hono app on Node, traced the way its users would trace it. */
export function start(): Promise<HarnessApp> {
  const app = new Hono();
  app.use(botanu({ workflow: "harness", serviceName: "harness-hono" }));
  app.post("/*", async (c) => {
    const instructions = readInstructions(await c.req.json());
    if (instructions === undefined) return c.json({ error: "not a list of instructions" }, 400);
    await carryOut(instructions, botanuFetch);
    return c.json(null);
  });
  return listening(serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }));
}
