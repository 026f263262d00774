import { threadId } from "node:worker_threads";
import { setDiag, type HostRule } from "@botanu/core";
import {
  createContextManager,
  recordClients,
  registeredWithApi,
  registerWithGlobals,
  RunSpanProcessor,
  type RunResourceOptions,
} from "@botanu/otel";
import type * as ApiModule from "@opentelemetry/api";
import type { TracerProvider } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type * as TraceSdkModule from "@opentelemetry/sdk-trace-base";
import { mayBeModule, type EntryPoint } from "./entry-format.ts";
import { isOn, numberOf, textOf, type Environment } from "./environment.ts";
import { createFlush, type Flushable } from "./flush.ts";
import { enabledInstrumentations } from "./instrumentation-list.ts";
import { InstrumentationLoader } from "./instrumentation-loader.ts";
import { startMetricsAndLogs } from "./metrics-and-logs.ts";
import { hookImportFromThread, supportsSyncImportHooks, watchImport, watchRequire } from "./module-hooks.ts";
import { requireOwn } from "./otel-modules.ts";
import { createOutgoingGuard, type OutgoingGuard } from "./outgoing-guard.ts";
import { createPassThroughProvider } from "./pass-through-provider.ts";
import { flushAtEnd, type EndingProcess } from "./process-end.ts";
import { propagatorFromEnvironment } from "./propagators.ts";
import { detectResource } from "./resource-detection.ts";
import { samplerFromEnvironment } from "./samplers.ts";
import { exportingProcessors, type Exporting } from "./span-exporters.ts";

/** Options of `enable`. Each falls back to its environment variable. */
export interface EnableOptions extends Omit<RunResourceOptions, "env" | "warn"> {
  /** Hosts beyond the private ones that get baggage and the run in `tracestate`. `BOTANU_PROPAGATE_TO`, a comma list. */
  readonly propagateTo?: HostRule | readonly HostRule[] | undefined;
  /** Hosts beyond the private ones that get `traceparent`. `BOTANU_TRACE_TO`, a comma list. */
  readonly traceTo?: HostRule | readonly HostRule[] | undefined;
  /** Whether incoming run context is believed. `BOTANU_TRUST`; default `true`, as behind an entry point. */
  readonly trust?: boolean | undefined;
  /** How long a flush at the end of the process may take. `BOTANU_FLUSH_TIMEOUT`; default 2,000 ms. */
  readonly flushTimeoutMillis?: number | undefined;
}

/** How `enable` went. */
export interface Enabled {
  /**
   * - `enabled`: spans are recorded and sent.
   * - `disabled`: by `OTEL_SDK_DISABLED`, or because no exporter is configured. Nothing is recorded; run context is
   *   still read and sent on.
   * - `present`: a tracer provider is registered already, and nothing was changed.
   */
  readonly status: "enabled" | "disabled" | "present";
  /** Sends what is buffered; resolves to whether it was all handed over within the time limit. Never rejects. */
  flush(): Promise<boolean>;
}

type Api = typeof ApiModule;
type TraceSdk = typeof TraceSdkModule;

const DEFAULT_FLUSH_TIMEOUT = 2_000;

/**
 * Starts OpenTelemetry's auto-instrumentation with run context on every span of this process. Call it before the
 * application's own modules are loaded, or use the preload, which does.
 *
 * Provider, context store and propagator are registered with the OpenTelemetry API; settings are OpenTelemetry's own
 * `OTEL_*` variables. Where a provider is registered already, nothing happens and the status says so.
 */
export function enable(options: EnableOptions = {}): Enabled {
  const env: Environment = process.env;
  const api = requireOwn<Api>("@opentelemetry/api");
  startDiagnostics(api, env);
  if (registeredWithApi().tracerProvider) {
    warn(
      "OpenTelemetry is set up already in this process, so spans are not stamped by @botanu/node: put RunSpanProcessor of @botanu/otel in front there.",
    );
    return { status: "present", flush: () => Promise.resolve(true) };
  }
  if (textOf(env, "OTEL_CONFIG_FILE") !== undefined)
    warn("OTEL_CONFIG_FILE is not read by @botanu/node; the variables are.");
  const guard = createOutgoingGuard(options, env, warn);
  const resource = detectResource(requireOwn("@opentelemetry/resources"), options, env, warn);
  const exporting = isOn(env, "OTEL_SDK_DISABLED", warn) ? undefined : startExporting(api, env);
  registerWithGlobals(api, {
    tracerProvider:
      exporting === undefined ? createPassThroughProvider(api.context) : recordingProvider(exporting, resource, env),
    contextManager: createContextManager(),
    propagator: propagatorFromEnvironment({
      env,
      warn,
      trust: options.trust ?? trusts(env),
      destination: guard.destination,
    }),
  });
  const others = exporting === undefined ? undefined : startMetricsAndLogs(env, resource);
  instrument(env, guard, others?.metrics === true);
  return finish(options, env, exporting, others);
}

function warn(message: string): void {
  process.emitWarning(message, { type: "BotanuWarning" });
}

/** Notices of a running process go where OpenTelemetry's go: nowhere, unless `OTEL_LOG_LEVEL` is set. */
function startDiagnostics(api: Api, env: Environment): void {
  const level = textOf(env, "OTEL_LOG_LEVEL")?.toUpperCase();
  const levels: Readonly<Record<string, unknown>> = api.DiagLogLevel;
  const logLevel = level === undefined ? undefined : levels[level];
  if (typeof logLevel === "number")
    api.diag.setLogger(new api.DiagConsoleLogger(), { logLevel, suppressOverrideMessage: true });
  setDiag({
    warn: (message) => api.diag.warn(`botanu: ${message}`),
    error: (message) => api.diag.error(`botanu: ${message}`),
  });
}

function trusts(env: Environment): boolean {
  return textOf(env, "BOTANU_TRUST") === undefined || isOn(env, "BOTANU_TRUST", warn);
}

function startExporting(api: Api, env: Environment): Exporting | undefined {
  const sdk = requireOwn<TraceSdk>("@opentelemetry/sdk-trace-base");
  const exporting = exportingProcessors({
    env,
    sdk,
    warn,
    diag: { warn: (message) => api.diag.warn(message) },
    fetch: globalThis.fetch,
  });
  return exporting.processors.length > 0 ? exporting : undefined;
}

function recordingProvider({ processors }: Exporting, resource: Resource, env: Environment): TracerProvider {
  const sdk = requireOwn<TraceSdk>("@opentelemetry/sdk-trace-base");
  return new sdk.BasicTracerProvider({
    resource,
    sampler: recordClients(samplerFromEnvironment(env, sdk, warn)),
    spanProcessors: [new RunSpanProcessor(), ...processors],
  });
}

function instrument(env: Environment, guard: OutgoingGuard, metrics: boolean): void {
  const loader = new InstrumentationLoader(enabledInstrumentations(env, metrics), {
    configs: { "@opentelemetry/instrumentation-undici": { requestHook: guard.requestHook } },
    onFailure: (name, error) => warn(`The instrumentation "${name}" could not be loaded: ${String(error)}`),
  });
  loader.loadBuiltins();
  watchRequire((name) => loader.load(name));
  if (!hooksImport(env)) return;
  if (supportsSyncImportHooks()) {
    watchImport(loader.packages, (name) => loader.load(name));
    return;
  }
  const packages = loader.packages;
  loader.loadAll();
  hookImportFromThread(packages, loader.innerFiles());
}

/** The hook of `import` costs start-up time, so a CommonJS service goes without it unless it asks. */
function hooksImport(env: Environment): boolean {
  const asked = textOf(env, "BOTANU_IMPORT_HOOK");
  if (asked !== undefined) return isOn(env, "BOTANU_IMPORT_HOOK", warn);
  return mayBeModule({
    script: process.argv[1],
    options: [...process.execArgv, env["NODE_OPTIONS"] ?? ""],
  } satisfies EntryPoint);
}

function finish(
  options: EnableOptions,
  env: Environment,
  exporting: Exporting | undefined,
  others: Flushable | undefined,
): Enabled {
  if (exporting === undefined) return { status: "disabled", flush: () => Promise.resolve(true) };
  const { processors, exporters } = exporting;
  const timeoutMillis =
    options.flushTimeoutMillis ?? numberOf(env, "BOTANU_FLUSH_TIMEOUT", warn) ?? DEFAULT_FLUSH_TIMEOUT;
  const flush = createFlush({
    processors: others === undefined ? processors : [...processors, others],
    exporters,
    timeoutMillis,
  });
  const abandon = (): void => {
    for (const each of exporters) each.abandon();
  };
  flushAtEnd({ process: process as unknown as EndingProcess, flush, abandon, signals: threadId === 0 });
  return { status: "enabled", flush };
}
