import type {
  Attributes,
  AttributeValue,
  Context,
  ContextAPI,
  Span,
  SpanContext,
  SpanOptions,
  Tracer,
  TracerProvider,
} from "@opentelemetry/api";
import { SPAN_KEY } from "@botanu/core";

const INVALID: SpanContext = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };

/**
 * The provider of a process that exports nothing: spans are never recorded and carry their parent's context on
 * unchanged, so that a disabled service does not break the traces that pass through it. Each knows its kind and
 * attributes, which is what the destination rule looks at.
 */
export function createPassThroughProvider(context: Pick<ContextAPI, "active" | "with">): TracerProvider {
  const tracer: Tracer = {
    startSpan: (_name: string, options?: SpanOptions, parent: Context = context.active()) =>
      passThroughSpan(options, parent),
    startActiveSpan<F extends (span: Span) => unknown>(_name: string, ...rest: readonly unknown[]): ReturnType<F> {
      const fn = rest.at(-1) as F;
      const parent = rest.length > 2 ? (rest[1] as Context) : context.active();
      const span = passThroughSpan(rest.length > 1 ? (rest[0] as SpanOptions) : undefined, parent);
      return context.with(parent.setValue(SPAN_KEY, span), () => fn(span) as ReturnType<F>);
    },
  };
  return { getTracer: () => tracer };
}

function passThroughSpan(options: SpanOptions = {}, parent: Context): Span {
  const caller = options.root === true ? undefined : (parent.getValue(SPAN_KEY) as Span | undefined);
  const spanContext = caller?.spanContext() ?? INVALID;
  const attributes: Attributes = { ...options.attributes };
  const span = {
    kind: options.kind ?? 0,
    attributes,
    spanContext: () => spanContext,
    setAttribute(key: string, value: AttributeValue) {
      attributes[key] = value;
      return span;
    },
    setAttributes(more: Attributes) {
      Object.assign(attributes, more);
      return span;
    },
    addEvent: () => span,
    addLink: () => span,
    addLinks: () => span,
    setStatus: () => span,
    updateName: () => span,
    end: () => undefined,
    isRecording: () => false,
    recordException: () => undefined,
  };
  return span as unknown as Span;
}
