import { createTraceState, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { describe, expect, it } from "vitest";

import { GETTER, MESSAGES, readOurs, SETTER, writeOurs, type Message } from "./propagators.ts";

const theirs = new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] });

function writeTheirs({ spanContext, tracestate, baggage }: Message): Record<string, string> {
  const carrier: Record<string, string> = {};
  const entries = Object.entries(baggage).map(([key, value]) => [key, { value }] as const);
  const context = propagation.setBaggage(
    trace.setSpanContext(ROOT_CONTEXT, {
      ...spanContext,
      ...(tracestate && { traceState: createTraceState(tracestate) }),
    }),
    propagation.createBaggage(Object.fromEntries(entries)),
  );
  theirs.inject(context, carrier, SETTER);
  return carrier;
}

function readTheirs(carrier: Record<string, string>): Message {
  const context = theirs.extract(ROOT_CONTEXT, carrier, GETTER);
  const { traceId = "", spanId = "", traceFlags = -1, traceState } = trace.getSpanContext(context) ?? {};
  const entries = propagation.getBaggage(context)?.getAllEntries() ?? [];
  return {
    spanContext: { traceId, spanId, traceFlags },
    tracestate: traceState?.serialize() ?? "",
    baggage: Object.fromEntries(entries.map(([key, { value }]) => [key, value])),
  };
}

describe("with the propagators of OpenTelemetry 2.x", () => {
  describe.each(MESSAGES)("$title", ({ title: _title, ...message }) => {
    it("they read what we write", () => expect(readTheirs(writeOurs(message))).toEqual(message));
    it("we read what they write", () => expect(readOurs(writeTheirs(message))).toEqual(message));
    it("we read what we write", () => expect(readOurs(writeOurs(message))).toEqual(message));
  });

  // Where they leave the specification and we do not; each shows both sides.
  it("they lose a key with a leading digit, an empty value and bytes that are not UTF-8", () => {
    const carrier = {
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "1digit=1",
      baggage: "empty=,bad=%FF",
    };
    expect(readOurs(carrier)).toMatchObject({ tracestate: "1digit=1", baggage: { empty: "", bad: "\ufffd" } });
    expect(readTheirs(carrier)).toMatchObject({ tracestate: "", baggage: {} });
  });
});
