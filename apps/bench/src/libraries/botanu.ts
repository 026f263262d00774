import { createRun, extract, inject, ROOT_CONTEXT } from "@botanu/core";
import { jsonSerializer } from "@botanu/otlp";
import { protobufSerializer } from "@botanu/otlp/protobuf";
import { createTracer } from "@botanu/tracer";
import { BAGGAGE_HEADER, type Case, SERVER_ATTRIBUTES, SERVER_KIND } from "./cases.ts";
import { finishedSpans } from "./finished-spans.ts";

const noop = {
  onStart: (): void => undefined,
  onEnd: (): void => undefined,
  forceFlush: async (): Promise<void> => undefined,
  shutdown: async (): Promise<void> => undefined,
};

export const cases: Record<string, Case> = {
  span: () => {
    const tracer = createTracer({ resource: { "service.name": "bench" }, processors: [noop] });
    return () =>
      tracer.startSpan("GET /orders/:id", { kind: SERVER_KIND, attributes: SERVER_ATTRIBUTES }, ROOT_CONTEXT).end();
  },
  "baggage.extract": () => {
    const carrier = { baggage: BAGGAGE_HEADER };
    return () => extract(carrier, { trust: true });
  },
  "baggage.inject": () => {
    const { runId, ...run } = createRun({
      workflow: "order",
      eventId: "order-4711",
      customerId: "acme",
      environment: "production",
      tenantId: "eu-1",
    });
    const propagation = { run: { ...run, runId }, baggage: ["vendor=value%20with%20space"] };
    return () => inject(propagation, {});
  },
  "otlp.json": () => {
    const spans = finishedSpans();
    return () => jsonSerializer.serialize(spans, new Set());
  },
  "otlp.protobuf": () => {
    const spans = finishedSpans();
    return () => protobufSerializer.serialize(spans, new Set());
  },
};
