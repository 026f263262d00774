// otel-cf-workers as its README shows it.

import { instrument } from "@microlabs/otel-cf-workers";

interface Env {
  readonly UPSTREAM: string;
  readonly SINK: string;
}

export default instrument(
  {
    async fetch(_request: Request, env: Env): Promise<Response> {
      const response = await fetch(env.UPSTREAM);
      return new Response(await response.text(), { status: response.status });
    },
  } as never,
  (env: Env) => ({ exporter: { url: env.SINK }, service: { name: "bench" } }),
);
