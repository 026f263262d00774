// Our interfaces and those of the OpenTelemetry SDK 2.x (API 1.9) stand in for each other. Checked by the compiler alone.

import type * as api from "@opentelemetry/api";
import type * as resources from "@opentelemetry/resources";
import type * as sdk from "@opentelemetry/sdk-trace-base";

import type * as core from "@botanu/core";
import type { OtlpTraceExporter, ReadableSpan as OtlpSpan } from "@botanu/otlp";
import type * as ours from "@botanu/tracer";

import type { Assignable, Holds } from "./assignable.ts";

export type OursForTheirs = [
  Holds<Assignable<core.Context, api.Context>>,
  Holds<Assignable<core.SpanContext, api.SpanContext>>,
  Holds<Assignable<core.TraceState, api.TraceState>>,
  Holds<Assignable<ours.Tracer, api.Tracer>>,
  Holds<Assignable<ours.BotanuTracer, api.Tracer>>,
  Holds<Assignable<ours.Span, api.Span>>,
  Holds<Assignable<ours.RecordingSpan, sdk.Span>>,
  Holds<Assignable<ours.ReadableSpan, sdk.ReadableSpan>>,
  Holds<Assignable<ours.SpanProcessor, sdk.SpanProcessor>>,
  Holds<Assignable<ours.SpanExporter, sdk.SpanExporter>>,
  Holds<Assignable<ours.Sampler, sdk.Sampler>>,
  Holds<Assignable<ours.Resource, resources.Resource>>,
  Holds<Assignable<OtlpTraceExporter, sdk.SpanExporter>>,
];

export type TheirsForOurs = [
  Holds<Assignable<api.Context, core.Context>>,
  Holds<Assignable<api.SpanContext, core.SpanContext>>,
  Holds<Assignable<api.TraceState, core.TraceState>>,
  Holds<Assignable<api.Tracer, ours.Tracer>>,
  Holds<Assignable<api.Span, ours.Span>>,
  Holds<Assignable<sdk.Span, ours.RecordingSpan>>,
  Holds<Assignable<sdk.ReadableSpan, ours.ReadableSpan>>,
  Holds<Assignable<sdk.ReadableSpan, OtlpSpan>>,
  Holds<Assignable<sdk.SpanProcessor, ours.SpanProcessor>>,
  Holds<Assignable<sdk.SpanExporter, ours.SpanExporter>>,
  Holds<Assignable<sdk.Sampler, ours.Sampler>>,
  Holds<Assignable<sdk.Sampler, ours.ForeignSampler>>,
  Holds<Assignable<resources.Resource, ours.Resource>>,
  Holds<Assignable<resources.Resource, ours.ForeignResource>>,
];

type SpanWithoutContext = Omit<ours.ReadableSpan, "spanContext">;
type SpanOfOneX = Omit<sdk.ReadableSpan, "instrumentationScope"> & { instrumentationLibrary: { name: string } };
type ProcessorWithoutFlush = Omit<ours.SpanProcessor, "forceFlush">;
type BooleanSampler = { shouldSample(): boolean; toString(): string };
interface ExporterThatAnswersInText {
  export(spans: ours.ReadableSpan[], done: (answer: string) => void): void;
  shutdown(): Promise<void>;
}

// The check must be able to fail: were one of these to hold, every line above would be worth nothing.
export type Refused = [
  // @ts-expect-error
  Holds<Assignable<SpanWithoutContext, sdk.ReadableSpan>>,
  // @ts-expect-error
  Holds<Assignable<SpanOfOneX, OtlpSpan>>,
  // @ts-expect-error
  Holds<Assignable<ProcessorWithoutFlush, sdk.SpanProcessor>>,
  // @ts-expect-error
  Holds<Assignable<BooleanSampler, sdk.Sampler>>,
  // @ts-expect-error
  Holds<Assignable<ExporterThatAnswersInText, sdk.SpanExporter>>,
];
