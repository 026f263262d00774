import { build } from "esbuild";
import { Miniflare } from "miniflare";

/** The two Workers of the demo in real workerd, joined by a real queue. */
export interface Edge {
  /** Where the entry point answers. */
  readonly url: URL;
  stop(): Promise<void>;
}

export interface EdgeOptions {
  /** The function that the entry point calls. */
  readonly intake: string;
  readonly notifyApi: string;
  readonly collector: string;
  /** What is broken on purpose, handed to the Workers as a binding. */
  readonly broken: string;
}

const COMPATIBILITY_DATE = "2026-04-01";
const QUEUE = "orders";

/** Bundles both Workers as they would be deployed and starts them. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const [edge, consumer] = await Promise.all([bundle("edge-worker.ts"), bundle("consumer-worker.ts")]);
  const common = { modules: true, compatibilityDate: COMPATIBILITY_DATE, compatibilityFlags: ["nodejs_als"] };
  const bindings = { COLLECTOR: options.collector, BROKEN: options.broken };
  const runtime = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    workers: [
      {
        ...common,
        name: "orders-edge",
        script: edge,
        bindings: { ...bindings, INTAKE: options.intake },
        queueProducers: { ORDERS: { queueName: QUEUE } },
      },
      {
        ...common,
        name: "orders-consumer",
        script: consumer,
        bindings: { ...bindings, NOTIFY_API: options.notifyApi },
        queueConsumers: { [QUEUE]: { maxBatchSize: 1, maxBatchTimeout: 0, maxRetries: 3 } },
      },
    ],
  });
  const url = await runtime.ready;
  return { url, stop: () => runtime.dispose() };
}

async function bundle(file: string): Promise<string> {
  const result = await build({
    entryPoints: [new URL(file, import.meta.url).pathname],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
    logLevel: "error",
  });
  return result.outputFiles[0]?.text ?? "";
}
