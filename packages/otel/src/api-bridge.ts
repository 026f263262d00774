import { createDestinationPolicy } from "@botanu/core";
import type { BotanuTracer, InstrumentationScope } from "@botanu/tracer";
import * as api from "@opentelemetry/api";
import type { Span, Tracer, TracerProvider } from "@opentelemetry/api";
import { registerWithGlobals, type ApiStatus } from "./api-globals.ts";
import { createContextManager } from "./context-manager.ts";
import { RunPropagator, type RunPropagatorOptions } from "./run-propagator.ts";
import { createSpanDestination } from "./span-destination.ts";

/** Options of `registerWithApi`. */
export type ApiBridgeOptions = Pick<RunPropagatorOptions, "trust">;

/**
 * Makes `tracer` the one of the OpenTelemetry API, with our context store and propagator beside it, so that
 * third-party instrumentations start their spans in the run and send it on to where the tracer's `propagateTo` and
 * `traceTo` let it go.
 *
 * Nothing that is registered already is replaced: the answer says which parts were registered by this call.
 */
export function registerWithApi(tracer: BotanuTracer, options: ApiBridgeOptions = {}): ApiStatus {
  const destination = createSpanDestination(createDestinationPolicy(tracer.destinations));
  return registerWithGlobals(api, {
    tracerProvider: bridgeProvider(tracer),
    contextManager: createContextManager(),
    propagator: new RunPropagator({ ...options, destination }),
  });
}

function bridgeProvider(tracer: BotanuTracer): TracerProvider {
  return { getTracer: (name, version, more) => scopedTracer(tracer, scopeOf(name, version, more?.schemaUrl)) };
}

function scopeOf(name: string, version: string | undefined, schemaUrl: string | undefined): InstrumentationScope {
  return { name, ...(version === undefined ? {} : { version }), ...(schemaUrl === undefined ? {} : { schemaUrl }) };
}

/** The tracer under the name of one instrumentation. */
function scopedTracer(tracer: BotanuTracer, scope: InstrumentationScope): Tracer {
  const scoped: Tracer = {
    startSpan: (name, options, context) => {
      const span = tracer.startSpan(name, options as never, context) as unknown as Span;
      if (span.isRecording()) Object.defineProperty(span, "instrumentationScope", { value: scope, enumerable: true });
      return span;
    },
    startActiveSpan<F extends (span: Span) => unknown>(name: string, ...rest: unknown[]): ReturnType<F> {
      const fn = rest.pop() as F;
      const [options, context = api.context.active()] = rest as [api.SpanOptions?, api.Context?];
      const span = scoped.startSpan(name, options, context);
      return api.context.with(tracer.contextWith(context, span as never) as api.Context, () =>
        fn(span),
      ) as ReturnType<F>;
    },
  };
  return scoped;
}
