import { botanu } from "@botanu/express";
import { botanuFetch } from "@botanu/tracer";
import express from "express";

import { carryOut, readInstructions, type HarnessApp } from "./instruction.ts";
import { listening } from "./listening.ts";

/** An Express 5 app, traced the way its users would trace it. */
export function start(): Promise<HarnessApp> {
  const app = express();
  app.use(botanu({ workflow: "harness", serviceName: "harness-express" }));
  app.use(express.json({ strict: false }));
  app.post("/{*path}", async (request, response) => {
    const instructions = readInstructions(request.body);
    if (instructions === undefined) {
      response.status(400).json({ error: "not a list of instructions" });
      return;
    }
    await carryOut(instructions, botanuFetch);
    response.json(null);
  });
  return listening(app.listen(0, "127.0.0.1"));
}
