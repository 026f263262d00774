import { botanuFetch } from "@botanu/tracer";
import { instrument, type WorkerHandler } from "@botanu/workers";

import { carryOut, readInstructions } from "./instruction.ts";

/** A Worker, traced the way its users would trace it. */
const worker: WorkerHandler<unknown> = instrument(
  {
    async fetch(request: Request): Promise<Response> {
      const instructions = readInstructions(await request.json());
      if (instructions === undefined) return Response.json({ error: "not a list of instructions" }, { status: 400 });
      await carryOut(instructions, botanuFetch);
      return Response.json(null);
    },
  },
  { workflow: "harness", serviceName: "harness-workers" },
);

export default worker;
