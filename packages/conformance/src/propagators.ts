// Our codecs and OpenTelemetry's propagators on the same carrier, in both directions, for what both sides call valid.

import { createTraceState, extract, inject, parseBaggage, type Context, type Propagation } from "@botanu/core";

/** A propagator of the OpenTelemetry API, of either line. */
export interface Propagator {
  inject(context: Context, carrier: Record<string, string>, setter: typeof SETTER): void;
  extract(context: Context, carrier: Record<string, string>, getter: typeof GETTER): Context;
}

export const SETTER = {
  set(carrier: Record<string, string>, key: string, value: string): void {
    carrier[key] = value;
  },
};

export const GETTER = {
  keys: (carrier: Record<string, string>): string[] => Object.keys(carrier),
  get: (carrier: Record<string, string>, key: string): string | undefined => carrier[key],
};

/** What travels, in a form that both sides can be asked for. */
export interface Message {
  readonly spanContext: { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
  readonly tracestate: string;
  readonly baggage: Readonly<Record<string, string>>;
}

/** Messages that are valid by the specifications and within what OpenTelemetry JS supports of them. */
export const MESSAGES: readonly (Message & { readonly title: string })[] = [
  message("a sampled span alone", 1, "", {}),
  message("a span that is not sampled", 0, "", {}),
  message("a trace state", 1, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,a@b=x y", {}),
  message("plain baggage", 1, "", { key: "value", other: "2" }),
  message("values that must be encoded", 1, "", { a: 'a b+c,d;e=f"g\\h%i/j', b: "ä漢字😀", c: "\u0001\u007f\n" }),
  message("every character of a key that both sides leave alone", 1, "", { "aZ09!'*-._~": "1" }),
  message("sixty members", 1, "", Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`k${n}`, `value ${n}`]))),
];

function message(title: string, traceFlags: number, tracestate: string, baggage: Message["baggage"]) {
  const spanContext = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags };
  return { title, spanContext, tracestate, baggage };
}

/** A message in the carrier that we make of it. */
export function writeOurs({ spanContext, tracestate, baggage }: Message): Record<string, string> {
  const carrier: Record<string, string> = {};
  const propagation: Propagation = {
    spanContext: { ...spanContext, ...(tracestate && { traceState: createTraceState(tracestate) }) },
    baggage: Object.entries(baggage).map(([key, value]) => `${key}=${encodeURIComponent(value)}`),
  };
  inject(propagation, carrier);
  return carrier;
}

/** What we read from a carrier. */
export function readOurs(carrier: Record<string, string>): Message | undefined {
  const { spanContext, baggage = [] } = extract(carrier, { trust: true });
  if (spanContext === undefined) return undefined;
  const { traceId, spanId, traceFlags, traceState } = spanContext;
  return {
    spanContext: { traceId, spanId, traceFlags },
    tracestate: traceState?.serialize() ?? "",
    baggage: Object.fromEntries(parseBaggage(baggage.join(",")).map(({ key, value }) => [key, value])),
  };
}
