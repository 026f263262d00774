import { type ServiceProcess, startService } from "./service-process.ts";

export interface ServicesOptions {
  readonly collector: string;
  /** The stock OpenTelemetry agent instead of ours. */
  readonly stock: boolean;
}

export interface Services {
  readonly orders: ServiceProcess;
  readonly notify: ServiceProcess;
  stop(): Promise<void>;
}

const OURS = "@botanu/node/register";
const STOCK = "@opentelemetry/auto-instrumentations-node/register";

/** Starts both services, each a process that knows nothing of tracing: what it is traced with comes from outside, as in a cluster. */
export async function startServices({ collector, stock }: ServicesOptions): Promise<Services> {
  const preloads = [import.meta.resolve(stock ? STOCK : OURS)];
  const start = (name: string, file: string): Promise<ServiceProcess> =>
    startService({
      name,
      file: new URL(`services/${file}`, import.meta.url),
      preloads,
      env: environment(name, collector),
    });
  const started = await Promise.allSettled([start("orders-api", "orders.cjs"), start("notify-api", "notify.mjs")]);
  const [orders, notify] = started;
  if (orders?.status === "fulfilled" && notify?.status === "fulfilled") {
    const both = [orders.value, notify.value];
    return {
      orders: orders.value,
      notify: notify.value,
      stop: async () => {
        await Promise.all(both.map((each) => each.stop()));
      },
    };
  }
  for (const each of started) if (each.status === "fulfilled") await each.value.stop();
  throw started.find((each) => each.status === "rejected")?.reason;
}

/** The block that an operator would inject: standard variables only. */
function environment(name: string, collector: string): Record<string, string> {
  return {
    OTEL_SERVICE_NAME: name,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "none",
    OTEL_LOGS_EXPORTER: "none",
    OTEL_PROPAGATORS: "tracecontext,baggage",
    OTEL_NODE_RESOURCE_DETECTORS: "env,host",
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
}
