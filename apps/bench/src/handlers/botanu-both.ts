// What a Worker deploys that has Hono: the Workers adapter, the Hono middleware, the tracer, the JSON exporter and core.

import { botanu } from "@botanu/hono";
import { instrument, outgoingFetch } from "@botanu/workers";
import { Hono } from "hono";

interface Env {
  readonly UPSTREAM: string;
  readonly SINK: string;
}

const app = new Hono<{ Bindings: Env }>();
app.use(botanu({ workflow: "order" }));
app.get("/", async (c) => outgoingFetch(c.env.UPSTREAM));

export default instrument(app, (env: Env) => ({ serviceName: "bench", url: env.SINK }));
