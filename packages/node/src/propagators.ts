import { OTEL_BAGGAGE_KEY, type Destination } from "@botanu/core";
import { RunPropagator } from "@botanu/otel";
import type { Baggage, Context, TextMapPropagator } from "@opentelemetry/api";
import { listOf, type Environment, type Warn } from "./environment.ts";
import { requireOf, SDK } from "./otel-modules.ts";

/** Options of `propagatorFromEnvironment`. */
export interface PropagatorOptions {
  readonly env: Environment;
  readonly warn: Warn;
  /** Whether incoming run context is believed. */
  readonly trust: boolean;
  /** What may go where a context is about to be sent. */
  readonly destination: (context: Context) => Destination;
}

interface StockPropagators {
  readonly B3InjectEncoding?: { readonly MULTI_HEADER: unknown };
  readonly [className: string]: unknown;
}

/**
 * The propagator that `OTEL_PROPAGATORS` asks for. `tracecontext` and `baggage`, the default, are ours; `b3`,
 * `b3multi` and `jaeger` are OpenTelemetry's, held to the same destinations.
 */
export function propagatorFromEnvironment(options: PropagatorOptions): TextMapPropagator {
  const { env, warn } = options;
  const names = (listOf(env, "OTEL_PROPAGATORS") ?? ["tracecontext", "baggage"]).map((name) => name.toLowerCase());
  const [trace, baggage] = [names.includes("tracecontext"), names.includes("baggage")];
  if (!baggage) warn("OTEL_PROPAGATORS leaves baggage out, so run context is neither read nor sent on.");
  if (names.includes("none")) return composite([]);
  const own =
    trace || baggage
      ? [new RunPropagator({ trust: options.trust, destination: options.destination, trace, baggage })]
      : [];
  const others = names.filter((name) => name !== "tracecontext" && name !== "baggage");
  return composite([...own, ...others.flatMap((name) => guarded(name, stockPropagator(name, warn), options))]);
}

function stockPropagator(name: string, warn: Warn): TextMapPropagator[] {
  const [packageName, className] = STOCK[name] ?? [];
  if (packageName === undefined || className === undefined) {
    warn(`OTEL_PROPAGATORS names no propagator of this package ("${name}"); it was left out.`);
    return [];
  }
  try {
    const exports = requireOf<StockPropagators>(SDK, packageName);
    const Class = exports[className] as new (config?: object) => TextMapPropagator;
    return [name === "b3multi" ? new Class({ injectEncoding: exports.B3InjectEncoding?.MULTI_HEADER }) : new Class()];
  } catch (error) {
    warn(`The propagator "${name}" could not be loaded and was left out: ${String(error)}`);
    return [];
  }
}

const STOCK: Readonly<Record<string, readonly [string, string]>> = {
  b3: ["@opentelemetry/propagator-b3", "B3Propagator"],
  b3multi: ["@opentelemetry/propagator-b3", "B3Propagator"],
  jaeger: ["@opentelemetry/propagator-jaeger", "JaegerPropagator"],
};

/**
 * Sends nothing where the destination rule lets too little go: these formats carry trace context, and Jaeger's carries
 * baggage with it. What baggage says of a run is not believed of untrusted callers in this form either.
 */
function guarded(
  name: string,
  propagators: readonly TextMapPropagator[],
  { destination, trust }: PropagatorOptions,
): TextMapPropagator[] {
  return propagators.map((propagator) => ({
    inject: (context, carrier, setter) => {
      const { baggage, trace } = destination(context);
      if (trace && (baggage || name !== "jaeger")) propagator.inject(context, carrier, setter);
    },
    extract: (context, carrier, getter) => {
      const found = propagator.extract(context, carrier, getter);
      return trust ? found : withoutRun(found);
    },
    fields: () => propagator.fields(),
  }));
}

function withoutRun(context: Context): Context {
  const baggage = context.getValue(OTEL_BAGGAGE_KEY) as Baggage | undefined;
  const own = (baggage?.getAllEntries() ?? []).map(([key]) => key).filter((key) => key.startsWith("botanu."));
  return baggage === undefined || own.length === 0
    ? context
    : context.setValue(OTEL_BAGGAGE_KEY, baggage.removeEntries(...own));
}

function composite(propagators: readonly TextMapPropagator[]): TextMapPropagator {
  const [only] = propagators;
  if (only !== undefined && propagators.length === 1) return only;
  return {
    inject: (context, carrier, setter) => {
      for (const each of propagators) each.inject(context, carrier, setter);
    },
    extract: (context, carrier, getter) =>
      propagators.reduce((result, each) => each.extract(result, carrier, getter), context),
    fields: () => [...new Set(propagators.flatMap((each) => each.fields()))],
  };
}
