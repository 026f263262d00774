// A Worker behind a service binding: a hop that only others of the application can reach, so it believes them.

import { instrument, type ExecutionContext } from "@botanu/workers";

interface Env {
  readonly COLLECTOR: string;
}

export default instrument(
  {
    fetch: (request: Request, _env: Env, _ctx: ExecutionContext) =>
      Response.json({ baggage: request.headers.get("baggage"), host: new URL(request.url).hostname }),
  },
  (env: Env) => ({ serviceName: "billing", url: env.COLLECTOR, trust: true }),
);
