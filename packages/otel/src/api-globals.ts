import type { ContextManager, TextMapPropagator, TracerProvider } from "@opentelemetry/api";

/** The part of `@opentelemetry/api` that registers things; pass the module itself. */
export interface OpenTelemetryApi {
  readonly trace: { setGlobalTracerProvider(provider: TracerProvider): boolean };
  readonly context: { setGlobalContextManager(manager: ContextManager): boolean };
  readonly propagation: { setGlobalPropagator(propagator: TextMapPropagator): boolean };
}

/** What to register; parts left out are left as they are. */
export interface ApiParts {
  readonly tracerProvider?: TracerProvider | undefined;
  readonly contextManager?: ContextManager | undefined;
  readonly propagator?: TextMapPropagator | undefined;
}

/** Which parts are there. */
export interface ApiStatus {
  readonly tracerProvider: boolean;
  readonly contextManager: boolean;
  readonly propagator: boolean;
}

const GLOBAL: symbol = Symbol.for("opentelemetry.js.api.1");

/** What is registered with the OpenTelemetry API in this process, by any copy of it. */
export function registeredWithApi(): ApiStatus {
  const found = (globalThis as unknown as Record<symbol, Record<string, unknown> | undefined>)[GLOBAL];
  return {
    tracerProvider: found?.["trace"] !== undefined,
    contextManager: found?.["context"] !== undefined,
    propagator: found?.["propagation"] !== undefined,
  };
}

/** Registers what is not registered yet, and says which parts it was: an existing one is never replaced. */
export function registerWithGlobals(api: OpenTelemetryApi, parts: ApiParts): ApiStatus {
  const present = registeredWithApi();
  const { tracerProvider, contextManager, propagator } = parts;
  return {
    contextManager:
      !present.contextManager && contextManager !== undefined && api.context.setGlobalContextManager(contextManager),
    propagator: !present.propagator && propagator !== undefined && api.propagation.setGlobalPropagator(propagator),
    tracerProvider:
      !present.tracerProvider && tracerProvider !== undefined && api.trace.setGlobalTracerProvider(tracerProvider),
  };
}
