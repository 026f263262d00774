import { OtlpTraceExporter } from "@botanu/otlp";
import { otlpOptionsFromEnv } from "@botanu/otlp/env";
import { protobufSerializer } from "@botanu/otlp/protobuf";
import type * as TraceSdk from "@opentelemetry/sdk-trace-base";
import type { SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { abortableFetch, BoundedExporter } from "./bounded-export.ts";
import { listOf, textOf, type Environment, type Warn } from "./environment.ts";
import { requireOf, SDK } from "./otel-modules.ts";

type ProcessorClasses = Pick<typeof TraceSdk, "BatchSpanProcessor" | "ConsoleSpanExporter" | "SimpleSpanProcessor">;

/** What exporting needs from its process. */
export interface ExportOptions {
  readonly env: Environment;
  readonly sdk: ProcessorClasses;
  readonly warn: Warn;
  /** Hears of dropped spans. */
  readonly diag: { warn(message: string): void };
  /** Taken before the application can replace it. */
  readonly fetch: typeof fetch;
}

/** Where spans go, and a way to give up on it. */
export interface Exporting {
  readonly processors: readonly SpanProcessor[];
  readonly exporters: readonly BoundedExporter[];
}

/**
 * The processors that `OTEL_TRACES_EXPORTER` asks for: `otlp` by default, `console`, `zipkin`, `none`, or a list.
 * Batches follow the `OTEL_BSP_*` variables.
 * See {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection}
 */
export function exportingProcessors(options: ExportOptions): Exporting {
  const { env, sdk, warn } = options;
  const names = (listOf(env, "OTEL_TRACES_EXPORTER") ?? ["otlp"]).map((name) => name.toLowerCase());
  const processors: SpanProcessor[] = [];
  const exporters: BoundedExporter[] = [];
  for (const name of names.includes("none") ? [] : names) {
    if (name === "console") processors.push(new sdk.SimpleSpanProcessor(new sdk.ConsoleSpanExporter()));
    else if (name === "otlp") exporters.push(otlpExporter(options));
    else if (name === "zipkin")
      exporters.push(new BoundedExporter(stockExporter("@opentelemetry/exporter-zipkin", "ZipkinExporter")));
    else warn(`OTEL_TRACES_EXPORTER names no exporter of this package ("${name}"); it was left out.`);
  }
  return { processors: [...processors, ...exporters.map((each) => new sdk.BatchSpanProcessor(each))], exporters };
}

/** Our own exporter for OTLP over HTTP; OpenTelemetry's for gRPC and for certificates, which `fetch` cannot take. */
function otlpExporter(options: ExportOptions): BoundedExporter {
  const { env, warn } = options;
  const protocol = (setting(env, "PROTOCOL") ?? "http/protobuf").toLowerCase();
  if (protocol === "grpc") return stock("grpc");
  if (["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"].some((name) => setting(env, name) !== undefined)) {
    return stock(protocol === "http/json" ? "http" : "proto");
  }
  if (protocol !== "http/json" && protocol !== "http/protobuf")
    warn(`"${protocol}" is no OTLP protocol; http/protobuf is used.`);
  const json = protocol === "http/json" ? {} : { serializer: protobufSerializer };
  const { fetch, abort } = abortableFetch(options.fetch);
  return new BoundedExporter(
    new OtlpTraceExporter({ ...otlpOptionsFromEnv(env, warn), ...json, diag: options.diag, fetch }),
    abort,
  );
}

function stock(format: string): BoundedExporter {
  return new BoundedExporter(stockExporter(`@opentelemetry/exporter-trace-otlp-${format}`, "OTLPTraceExporter"));
}

function setting(env: Environment, name: string): string | undefined {
  return textOf(env, `OTEL_EXPORTER_OTLP_TRACES_${name}`) ?? textOf(env, `OTEL_EXPORTER_OTLP_${name}`);
}

function stockExporter(packageName: string, className: string): SpanExporter {
  const exports = requireOf<Record<string, new () => SpanExporter>>(SDK, packageName);
  const Class = exports[className];
  if (Class === undefined) throw new Error(`${packageName} exports no ${className}`);
  return new Class();
}
