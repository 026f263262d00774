// Our Workers adapter as its README shows it.

import { instrument, outgoingFetch } from "@botanu/workers";

interface Env {
  readonly UPSTREAM: string;
  readonly SINK: string;
}

export default instrument(
  {
    async fetch(_request: Request, env: Env): Promise<Response> {
      const response = await outgoingFetch(env.UPSTREAM);
      return new Response(await response.text(), { status: response.status });
    },
  },
  (env: Env) => ({ serviceName: "bench", workflow: "order", trust: true, url: env.SINK }),
);
