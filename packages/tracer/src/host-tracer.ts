// The OpenTelemetry provider that an application registered, as a tracer of ours. It is found by the API's own global, so no
// version of the API has to be installed for it.

import {
  type Context,
  type DestinationOptions,
  getRun,
  inject,
  OTEL_BAGGAGE_KEY,
  parseBaggage,
  ROOT_CONTEXT,
  RUN_ID,
  runAttributes,
  type RunContext,
} from "@botanu/core";
import { createResource } from "./resource.ts";
import { getSpan, setSpan } from "./span.ts";
import { TRACER_KEY } from "./tracer.ts";
import type { Attributes, BotanuTracer, Invocation, Span, SpanOptions, Tracer, TracerStats } from "./types.ts";

const OTEL_API: symbol = /* @__PURE__ */ Symbol.for("opentelemetry.js.api.1");
/** Under which `@opentelemetry/core` keeps the server span of a request while spans of middleware are active. */
const RPC_METADATA: symbol = /* @__PURE__ */ Symbol.for("OpenTelemetry SDK Context Key RPC_METADATA");

interface TracerProvider {
  getTracer(name: string, version?: string): Tracer;
}

/** Options of {@link createHostTracer}. */
export interface HostTracerOptions extends DestinationOptions {
  /** What runs started here take their environment from. The resource of spans is the host's. */
  readonly resource?: Attributes | undefined;
  /**
   * Also shows the run to the host as OpenTelemetry Baggage. A stock propagator sends that to any host, so it is off unless asked
   * for.
   */
  readonly hostBaggage?: boolean | undefined;
}

/** The provider that is registered with the OpenTelemetry API, if there is one. */
export function hostProvider(): TracerProvider | undefined {
  return (globalThis as unknown as Record<symbol, { trace?: TracerProvider } | undefined>)[OTEL_API]?.trace;
}

/** A tracer whose spans are a registered provider's: its processors and exporter get them, its flush sends them. */
export function createHostTracer(provider: TracerProvider, options: HostTracerOptions = {}): BotanuTracer {
  const tracer = provider.getTracer("botanu");
  const made: BotanuTracer = {
    resource: createResource(options.resource ?? {}),
    destinations: options,
    startSpan: (name, spanOptions, context = ROOT_CONTEXT) =>
      tracer.startSpan(name, stamped(spanOptions, context), context),
    startActiveSpan: tracer.startActiveSpan.bind(tracer),
    contextWith: (context, span) => withHostBaggage(setSpan(context, span), options.hostBaggage === true),
    startInvocation: (parent = ROOT_CONTEXT): Invocation => ({
      context: parent.setValue(TRACER_KEY, made),
      track() {},
      flush: done,
    }),
    forceFlush: done,
    shutdown: done,
    stats: (): TracerStats => ({
      started: 0,
      ended: 0,
      exported: 0,
      dropped: { full: 0, failed: 0, shutdown: 0 },
      errors: 0,
    }),
  };
  return made;
}

/** The span that a host's instrumentation made for the request at hand: its server span where that is known, else the active one. */
export function hostSpan(context: Context): Span | undefined {
  const metadata = context.getValue(RPC_METADATA) as { span?: Span } | undefined;
  return [metadata?.span, getSpan(context)].find((span) => span?.isRecording() && !span.spanContext().isRemote);
}

/** Tells a host's HTTP instrumentation the route, by which it names its span. */
export function setHostRoute(context: Context, route: string): void {
  const metadata = context.getValue(RPC_METADATA) as { route?: string } | undefined;
  if (metadata) metadata.route ??= route;
}

function done(): Promise<void> {
  return Promise.resolve();
}

function stamped(options: SpanOptions | undefined, context: Context): SpanOptions {
  const run = getRun(context);
  return run ? { ...options, attributes: { ...runAttributes(run), ...options?.attributes } } : { ...options };
}

/** OpenTelemetry Baggage, as far as it is used here. */
interface Baggage {
  getEntry(key: string): { value: string } | undefined;
  getAllEntries(): Array<[string, { value: string }]>;
  setEntry(key: string, entry: { value: string }): Baggage;
  removeEntry(key: string): Baggage;
  removeEntries(...keys: string[]): Baggage;
  clear(): Baggage;
}

/** Takes a run that is not the context's own out of the host's baggage, and puts the context's in where that is asked for. */
function withHostBaggage(context: Context, share: boolean): Context {
  const run = getRun(context);
  const current = context.getValue(OTEL_BAGGAGE_KEY) as Baggage | undefined;
  const said = current?.getEntry(RUN_ID)?.value.toLowerCase();
  if (said === run?.runId || (!share && said === undefined)) return context;
  const own = current?.getAllEntries().flatMap(([key]) => (key.startsWith("botanu.") ? [key] : [])) ?? [];
  let baggage = current?.removeEntries(...own) ?? createBaggage(new Map());
  if (share && run) for (const [key, value] of membersOf(run)) baggage = baggage.setEntry(key, { value });
  return context.setValue(OTEL_BAGGAGE_KEY, baggage);
}

function membersOf(run: RunContext): Array<[string, string]> {
  const fields = new Map<string, string>();
  inject({ run }, fields);
  return parseBaggage(fields.get("baggage") ?? "").map(({ key, value }) => [key, value]);
}

function createBaggage(entries: ReadonlyMap<string, { value: string }>): Baggage {
  const changed = (change: (copy: Map<string, { value: string }>) => void): Baggage => {
    const copy = new Map(entries);
    change(copy);
    return createBaggage(copy);
  };
  return {
    getEntry: (key) => entries.get(key),
    getAllEntries: () => [...entries],
    setEntry: (key, entry) => changed((copy) => copy.set(key, entry)),
    removeEntry: (key) => changed((copy) => copy.delete(key)),
    removeEntries: (...keys) => changed((copy) => keys.forEach((key) => copy.delete(key))),
    clear: () => createBaggage(new Map()),
  };
}
