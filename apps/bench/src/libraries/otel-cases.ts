import type { Context, TextMapPropagator, Tracer } from "@opentelemetry/api";
import { BAGGAGE, BAGGAGE_HEADER, type Case, SERVER_ATTRIBUTES, SERVER_KIND } from "./cases.ts";

interface OtelLine {
  readonly api: Pick<
    typeof import("@opentelemetry/api"),
    "ROOT_CONTEXT" | "propagation" | "defaultTextMapGetter" | "defaultTextMapSetter"
  >;
  readonly tracer: Tracer;
  readonly baggage: TextMapPropagator;
}

/** The cases that both lines of the SDK share, on what each line made. */
export function otelCases({ api, tracer, baggage }: OtelLine): Record<string, Case> {
  const carrier = { baggage: BAGGAGE_HEADER };
  return {
    span: () => () => {
      tracer.startSpan("GET /orders/:id", { kind: SERVER_KIND, attributes: SERVER_ATTRIBUTES }, api.ROOT_CONTEXT).end();
    },
    "baggage.extract": () => () => baggage.extract(api.ROOT_CONTEXT, carrier, api.defaultTextMapGetter),
    "baggage.inject": () => {
      const entries = Object.fromEntries(BAGGAGE.map(([key, value]) => [key, { value }]));
      const context: Context = api.propagation.setBaggage(api.ROOT_CONTEXT, api.propagation.createBaggage(entries));
      return () => baggage.inject(context, {}, api.defaultTextMapSetter);
    },
  };
}
