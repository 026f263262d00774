import type * as Api from "@opentelemetry/api";
import type { MeterProvider } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { NodeSDK } from "@opentelemetry/sdk-node";
import { listOf, type Environment } from "./environment.ts";
import { requireOf, requireOwn, SDK } from "./otel-modules.ts";

/** What runs beside the spans. */
export interface MetricsAndLogs {
  readonly metrics: boolean;
  forceFlush(): Promise<void>;
}

interface Flushing {
  forceFlush?(): Promise<void>;
  _getDelegate?(): Flushing;
}

/**
 * Starts OpenTelemetry's metrics and logs where `OTEL_METRICS_EXPORTER` or `OTEL_LOGS_EXPORTER` names an exporter. They
 * are off otherwise: a run needs spans only, and the SDK for the rest costs most of a start.
 */
export function startMetricsAndLogs(env: Environment, resource: Resource): MetricsAndLogs | undefined {
  const metrics = asksFor(env, "OTEL_METRICS_EXPORTER");
  const logs = asksFor(env, "OTEL_LOGS_EXPORTER");
  if (!metrics && !logs) return undefined;
  const { NodeSDK: Sdk } = requireOwn<{ NodeSDK: typeof NodeSDK }>(SDK);
  const sdk = new Sdk({
    resource,
    autoDetectResources: false,
    spanProcessors: [],
    textMapPropagator: null,
    // "Do not register", as for the propagator; the type of this release does not know it yet.
    contextManager: null as never,
    ...(metrics ? {} : { metricReaders: [] }),
    ...(logs ? {} : { logRecordProcessors: [] }),
  });
  sdk.start();
  return { metrics, forceFlush: flushProviders };
}

function asksFor(env: Environment, variable: string): boolean {
  const names = listOf(env, variable);
  return names !== undefined && !names.includes("none");
}

async function flushProviders(): Promise<void> {
  const api = requireOwn<typeof Api>("@opentelemetry/api");
  const meters = api.metrics.getMeterProvider() as MeterProvider & Flushing;
  const { logs } = requireOf<{ logs: { getLoggerProvider(): Flushing } }>(SDK, "@opentelemetry/api-logs");
  const loggers = logs.getLoggerProvider();
  await Promise.allSettled([meters.forceFlush?.(), (loggers._getDelegate?.() ?? loggers).forceFlush?.()]);
}
