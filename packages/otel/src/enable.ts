import { createDestinationPolicy, type DestinationOptions } from "@botanu/core";
import { OtlpTraceExporter } from "@botanu/otlp";
import { otlpOptionsFromEnv } from "@botanu/otlp/env";
import * as api from "@opentelemetry/api";
import { defaultResource, type Resource } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type Sampler,
  type SpanExporter,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { registeredWithApi, registerWithGlobals, type ApiStatus } from "./api-globals.ts";
import { createContextManager } from "./context-manager.ts";
import { recordClients } from "./record-clients.ts";
import { RunPropagator, type RunPropagatorOptions } from "./run-propagator.ts";
import { runResource, type RunResourceOptions } from "./run-resource.ts";
import { RunSpanProcessor } from "./run-span-processor.ts";
import { createSpanDestination } from "./span-destination.ts";

/** What a provider of any line of the SDK is made of. */
export interface ProviderConfig {
  readonly resource: Resource;
  readonly sampler: Sampler;
  readonly spanProcessors: SpanProcessor[];
}

/** The part of a provider that `enable` hands on. */
export interface EnabledProvider extends api.TracerProvider {
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

/** Options of `enable`. */
export interface EnableOptions extends RunResourceOptions, DestinationOptions, Pick<RunPropagatorOptions, "trust"> {
  /** Gets sampled spans in batches. Default: OTLP/JSON over `fetch`, by the `OTEL_EXPORTER_OTLP_*` variables. */
  readonly exporter?: SpanExporter | undefined;
  /** Exporting processors, instead of one batch over `exporter`. They come after the one that stamps. */
  readonly processors?: readonly SpanProcessor[] | undefined;
  /** Default: all runs, whatever the caller's sampled flag says. */
  readonly sampler?: Sampler | undefined;
  /** Registers provider, context store and propagator with the OpenTelemetry API. Default `false`: nothing global changes. */
  readonly register?: boolean | undefined;
  /** Makes the provider. Default: `BasicTracerProvider` of `@opentelemetry/sdk-trace-base`; give `processors` with another. */
  readonly createProvider?: ((config: ProviderConfig) => EnabledProvider) | undefined;
}

/** How `enable` went. */
export interface Enabled {
  /**
   * - `enabled`: this call made the provider.
   * - `present`: a provider is registered already, of the application or of an earlier call; nothing was made. Put
   *   `RunSpanProcessor` first into that provider's processors.
   */
  readonly status: "enabled" | "present";
  /** What this call registered with the API. */
  readonly registered: ApiStatus;
  /** The provider, when this call made it. */
  readonly provider: EnabledProvider | undefined;
  readonly propagator: RunPropagator;
  /** Sends what is buffered. Rejects when the exporter fails. */
  forceFlush(): Promise<void>;
  /** Flushes and ends the provider; what was registered stays. */
  shutdown(): Promise<void>;
}

const NONE: ApiStatus = { tracerProvider: false, contextManager: false, propagator: false };

/**
 * Sets up the OpenTelemetry SDK so that every span carries its run: resource, the processor that stamps in front of the
 * exporting ones, and a propagator held to `propagateTo` and `traceTo`.
 *
 * There is never a second provider: where one is registered with the API already, the answer says so and nothing
 * is made. Throws on options that cannot be used, such as a host rule that is none.
 */
export function enable(options: EnableOptions = {}): Enabled {
  const destination = createSpanDestination(createDestinationPolicy(options));
  const propagator = new RunPropagator({ trust: options.trust, destination });
  if (registeredWithApi().tracerProvider) {
    return {
      status: "present",
      registered: NONE,
      provider: undefined,
      propagator,
      forceFlush: nothing,
      shutdown: nothing,
    };
  }
  const create = options.createProvider ?? ((config: ProviderConfig) => new BasicTracerProvider(config));
  const provider = create({
    resource: defaultResource().merge(runResource(options) as Resource),
    sampler: recordClients(options.sampler ?? new AlwaysOnSampler()),
    spanProcessors: [new RunSpanProcessor(), ...(options.processors ?? [batch(options)])],
  });
  const parts = { tracerProvider: provider, contextManager: createContextManager(), propagator };
  return {
    status: "enabled",
    registered: options.register === true ? registerWithGlobals(api, parts) : NONE,
    provider,
    propagator,
    forceFlush: () => provider.forceFlush(),
    shutdown: () => provider.shutdown(),
  };
}

function batch(options: EnableOptions): SpanProcessor {
  if (options.exporter !== undefined) return new BatchSpanProcessor(options.exporter);
  const env =
    options.env ?? (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
  return new BatchSpanProcessor(new OtlpTraceExporter(otlpOptionsFromEnv(env, options.warn ?? (() => undefined))));
}

function nothing(): Promise<void> {
  return Promise.resolve();
}
