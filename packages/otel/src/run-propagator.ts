import {
  BAGGAGE,
  extract,
  getForeignBaggage,
  inject,
  isTrusted,
  OTEL_BAGGAGE_KEY,
  parseBaggage,
  runAttributes,
  setForeignBaggage,
  setRun,
  SPAN_KEY,
  TRACEPARENT,
  TRACESTATE,
  warnOnce,
  type Carrier,
  type Destination,
  type Extracted,
  type Trust,
} from "@botanu/core";
import type {
  Baggage,
  Context,
  Span,
  SpanContext,
  TextMapGetter,
  TextMapPropagator,
  TextMapSetter,
} from "@opentelemetry/api";
import { RANDOM_TRACE_KEY, SUPPRESS_TRACING_KEY, UNTRUSTED_RUN_ID_KEY } from "./context-keys.ts";
import { remoteSpan } from "./remote-span.ts";
import { contextRun } from "./run-attributes.ts";
import { foreignMembers, RunBaggage } from "./run-baggage.ts";

/** Options of `RunPropagator`. */
export interface RunPropagatorOptions {
  /**
   * Whose `botanu.*` members are believed: `true`, `false`, or a predicate of the incoming carrier. Default `true`,
   * as it is right for a service behind an entry point.
   */
  readonly trust?: Trust<unknown> | undefined;
  /**
   * Which parts may go where `context` is about to be sent; asked for every injection. Default: all parts, anywhere.
   * `createSpanDestination` answers from the client span. If it throws, nothing is sent.
   */
  readonly destination?: ((context: Context) => Destination) | undefined;
  /** Reads and writes `traceparent` and `tracestate`. Default `true`. */
  readonly trace?: boolean | undefined;
  /** Reads and writes `baggage`, and with it the run. Default `true`. */
  readonly baggage?: boolean | undefined;
}

const EVERYWHERE: Destination = { baggage: true, trace: true };
const NOWHERE: Destination = { baggage: false, trace: false };

/**
 * W3C Trace Context and Baggage for the OpenTelemetry API, by the rules of run context: the run goes first in
 * `baggage` and left-most in `tracestate`, foreign members go on as they came, the random-trace-id flag is kept, and
 * what may be sent is asked of `destination`. Both headers are read within limits and malformed parts left out.
 *
 * A `baggage` that the application wrote into the carrier itself is kept. Neither direction ever throws.
 * See {@link https://www.w3.org/TR/baggage/} and {@link https://www.w3.org/TR/trace-context-2/}.
 */
export class RunPropagator implements TextMapPropagator {
  readonly #trust: Trust<unknown> | undefined;
  readonly #destination: (context: Context) => Destination;
  readonly #fields: readonly string[];

  constructor(options: RunPropagatorOptions = {}) {
    this.#trust = options.trust;
    this.#destination = options.destination ?? (() => EVERYWHERE);
    this.#fields = [
      ...(options.trace === false ? [] : [TRACEPARENT, TRACESTATE]),
      ...(options.baggage === false ? [] : [BAGGAGE]),
    ];
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    try {
      if (context.getValue(SUPPRESS_TRACING_KEY) === true) return;
      const own = hasOwnBaggage(carrier);
      inject(
        { spanContext: outgoingSpan(context), run: contextRun(context), baggage: outgoingBaggage(context) },
        carrier as Carrier,
        {
          allow: this.#allowed(context),
          setter: (to: Carrier, key: string, value: string) => {
            if (this.#fields.includes(key) && !(own && key === BAGGAGE)) setter.set(to, key, value);
          },
        },
      );
    } catch (error) {
      warnOnce("run-propagator", `Run context was not sent: ${String(error)}`);
    }
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    try {
      const found = extract(carrier as Carrier, {
        trust: isTrusted(this.#trust, carrier, true),
        getter: (from: Carrier, key: string) => (this.#reads(key) ? getter.get(from, key) : undefined),
      });
      return received(context, found);
    } catch (error) {
      warnOnce("run-propagator", `Run context was not read: ${String(error)}`);
      return context;
    }
  }

  fields(): string[] {
    return [...this.#fields];
  }

  /** The headers that stand in for missing baggage go with it. */
  #reads(key: string): boolean {
    return this.#fields.includes(key) || (key.startsWith("x-botanu-") && this.#fields.includes(BAGGAGE));
  }

  #allowed(context: Context): Destination {
    try {
      return this.#destination(context);
    } catch (error) {
      warnOnce("run-propagator-destination", `The destination rule failed, so nothing was sent: ${String(error)}`);
      return NOWHERE;
    }
  }
}

/** `context` with all that came in: the caller's span, the run, and the baggage as applications expect to find it. */
function received(context: Context, found: Extracted): Context {
  let next = context;
  if (found.spanContext !== undefined) {
    next = next.setValue(SPAN_KEY, remoteSpan({ ...found.spanContext, isRemote: true } as SpanContext));
    if ((found.spanContext.traceFlags & 2) !== 0) next = next.setValue(RANDOM_TRACE_KEY, found.spanContext.traceId);
  }
  if (found.untrustedRunId !== undefined) next = next.setValue(UNTRUSTED_RUN_ID_KEY, found.untrustedRunId);
  if (found.run !== undefined) next = setRun(next, found.run) as Context;
  if (found.baggage !== undefined && found.baggage.length > 0) next = setForeignBaggage(next, found.baggage) as Context;
  if (found.run === undefined && !found.baggage?.length) return next;
  return next.setValue(OTEL_BAGGAGE_KEY, receivedBaggage(found));
}

function receivedBaggage(found: Extracted): Baggage {
  const own =
    found.run === undefined ? [] : Object.entries(runAttributes(found.run)).map(([key, value]) => ({ key, value }));
  const foreign = (found.baggage ?? []).flatMap((text) => parseBaggage(text).map((member) => ({ ...member, text })));
  return RunBaggage.of([...own, ...foreign]);
}

function outgoingSpan(context: Context): SpanContext | undefined {
  const spanContext = (context.getValue(SPAN_KEY) as Span | undefined)?.spanContext();
  if (spanContext === undefined || context.getValue(RANDOM_TRACE_KEY) !== spanContext.traceId) return spanContext;
  return { ...spanContext, traceFlags: spanContext.traceFlags | 2 };
}

/** What the application did to the API's baggage counts; an adapter that knows no API leaves its own list. */
function outgoingBaggage(context: Context): readonly string[] | undefined {
  const baggage = context.getValue(OTEL_BAGGAGE_KEY) as Baggage | undefined;
  return baggage === undefined ? getForeignBaggage(context) : foreignMembers(baggage);
}

function hasOwnBaggage(carrier: unknown): boolean {
  if (typeof carrier !== "object" || carrier === null) return false;
  return Object.keys(carrier).some((key) => key.toLowerCase() === BAGGAGE);
}
