// What every adapter does when work comes in: read the caller's context by trust, choose the run, start the spans, end them.

import {
  BotanuError,
  type Carrier,
  type Context,
  createDestinationPolicy,
  createRun,
  type DestinationOptions,
  extract,
  type Extracted,
  getRun,
  isTrusted,
  ROOT_CONTEXT,
  runAttributes,
  type RunContext,
  RUN_KEY,
  setForeignBaggage,
  setRun,
  type Trust,
  UNTRUSTED_RUN_ID,
  warnOnce,
} from "@botanu/core";
import { type Id, idText } from "./checked-value.ts";
import { errorType, getScope, recordFailure, setScope } from "./failure.ts";
import { endRunSpan, type RunStatus, startRunSpan } from "./run-span.ts";
import { getSpan, setSpan, wrapSpanContext } from "./span.ts";
import { TRACER_KEY } from "./tracer.ts";
import {
  type Attributes,
  type BotanuTracer,
  type Invocation,
  type Link,
  type ReadableSpan,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
} from "./types.ts";

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** Reads a value from what came in (a request, a message). What throws or rejects is left out with one warning. */
export type Extractor<S, T> = (source: S) => Awaitable<T | undefined>;

/**
 * What an adapter is told about the work that comes in as an `S`. With `workflow` the code is an entry point: it joins a trusted
 * incoming run or starts one. Without, it is a hop: it joins, and never starts a run.
 */
export interface EntryOptions<S> {
  /** A name of low cardinality, or what reads it; where that gives nothing, the code is a hop. */
  readonly workflow?: string | ((source: S) => string | undefined) | undefined;
  /** A UUID for the run, where the same work may come in again. Default: a new one. */
  readonly runId?: Extractor<S, string> | undefined;
  /** Id of the business transaction. This and what follows is asked only when a run starts. */
  readonly eventId?: Extractor<S, Id> | undefined;
  readonly customerId?: Extractor<S, Id> | undefined;
  readonly tenantId?: Extractor<S, Id> | undefined;
  /** When the run is to be over, in epoch milliseconds. */
  readonly deadline?: Extractor<S, number> | undefined;
  /** Default: `deployment.environment.name` of the tracer's resource. */
  readonly environment?: string | undefined;
  /**
   * Whether the caller's run is believed: section 11 of the propagation contract. Default: not at an entry point, which faces
   * anyone; yes at a hop, which stands behind one.
   */
  readonly trust?: Trust<S> | undefined;
  /** Nests a new run in a trusted incoming one instead of joining that one. */
  readonly newRun?: boolean | undefined;
}

/** The span that an adapter starts for what came in. */
export interface EntryStart {
  readonly name: string;
  readonly kind: number;
  readonly attributes?: Attributes | undefined;
  readonly links?: Link[] | undefined;
  /** What to start in. Default: the invocation's context, else the root. */
  readonly context?: Context | undefined;
  /** A span that already stands for this work. It gets the run's attributes, no second one is made, and `end` leaves it open. */
  readonly span?: Span | undefined;
}

/** How the work ended. */
export interface EntryEnd {
  /** What was thrown, recorded once. */
  readonly error?: unknown;
  /** Default: by `error`. */
  readonly status?: RunStatus | undefined;
}

/** Work that came in and goes on. */
export interface Entry {
  /** Run the work in this context: the run is set, the innermost span of the adapter is active. */
  readonly context: Context;
  /** The run that the work belongs to; a hop may have none. */
  readonly run: RunContext | undefined;
  /** The span of the work: of kind SERVER or CONSUMER, around the run span. */
  readonly span: Span;
  /** Ends the run span, then the span of the work. Later calls do nothing. */
  end(outcome?: EntryEnd): void;
}

type Values = { -readonly [K in (typeof VALUES)[number]]?: unknown };

const VALUES = ["runId", "eventId", "customerId", "tenantId", "deadline"] as const;

/**
 * Refuses options that cannot be meant.
 *
 * @throws BotanuError ERR_INVALID_OPTION, naming the option.
 */
export function checkEntryOptions<S>(options: EntryOptions<S> & DestinationOptions): void {
  const { workflow, trust } = options;
  const expect = (name: string, ok: boolean): void => {
    if (!ok) throw new BotanuError("ERR_INVALID_OPTION", `not a valid ${name}`);
  };
  const isFunction = (value: unknown): boolean => typeof value === "function";
  expect(
    "workflow",
    workflow === undefined || isFunction(workflow) || (typeof workflow === "string" && /\S/.test(workflow)),
  );
  expect("trust", trust === undefined || typeof trust === "boolean" || isFunction(trust));
  for (const name of VALUES) expect(name, options[name] === undefined || isFunction(options[name]));
  createDestinationPolicy(options);
}

/**
 * Starts the spans of work that came in. `carrier` is what its context is read from, or reads it, given whether the sender is
 * trusted. Never throws and never rejects; gives a promise only where an option of `options` did.
 */
export function startEntry<S>(
  tracer: BotanuTracer,
  invocation: Invocation | undefined,
  carrier: Carrier | ((trust: boolean) => Extracted),
  source: S,
  options: EntryOptions<S>,
  start: EntryStart,
): Entry | Promise<Entry> {
  const trust = isTrusted(options.trust, source, options.workflow === undefined);
  const incoming = typeof carrier === "function" ? undefined : carrier;
  const extracted = typeof carrier === "function" ? carrier(trust) : extract(carrier, { trust });
  const base = start.context ?? invocation?.context ?? ROOT_CONTEXT;
  const active = getRun(base);
  // What is active may have come with this very request, through a host that believes everyone.
  const parent = extracted.run ?? (active?.runId === extracted.untrustedRunId ? undefined : active);
  const workflow = workflowOf(options, source);
  const opening: Opening = { tracer, base, incoming, extracted, isEntryPoint: workflow !== undefined, start };
  if (!workflow || (parent && !options.newRun)) return openEntry(opening, parent);
  const startTime = Date.now();
  const values = readValues(options, source);
  if (!(values instanceof Promise)) return openEntry(opening, newRun(workflow, values, options, tracer, parent));
  return values.then((read) => openEntry({ ...opening, startTime }, newRun(workflow, read, options, tracer, parent)));
}

function workflowOf<S>({ workflow }: EntryOptions<S>, source: S): string | undefined {
  return typeof workflow === "function" ? attempt("workflow", () => workflow(source)) || undefined : workflow;
}

function readValues<S>(options: EntryOptions<S>, source: S): Values | Promise<Values> {
  const values: Values = {};
  const pending: Array<Promise<unknown>> = [];
  for (const name of VALUES) {
    const read = options[name];
    const value = read && attempt(name, () => read(source));
    if (typeof value !== "object" || value === null) values[name] = value;
    else {
      pending.push(
        Promise.resolve(value).then(
          (each) => (values[name] = each),
          (error: unknown) => leaveOut(name, error),
        ),
      );
    }
  }
  return pending.length > 0 ? Promise.all(pending).then(() => values) : values;
}

function attempt<T>(name: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    leaveOut(name, error);
    return undefined;
  }
}

function leaveOut(name: string, error: unknown): void {
  warnOnce(`${name}!`, `${name} left out: ${errorType(error)}`);
}

function newRun<S>(
  workflow: string,
  values: Values,
  options: EntryOptions<S>,
  tracer: BotanuTracer,
  parent: RunContext | undefined,
): RunContext | undefined {
  const { runId, eventId, customerId, tenantId, deadline } = values;
  const environment = parent ? undefined : tracer.resource.attributes["deployment.environment.name"];
  try {
    return createRun({
      workflow,
      runId: idText(runId),
      eventId: idText(eventId),
      customerId: idText(customerId),
      tenantId: idText(tenantId),
      deadline: typeof deadline === "number" && deadline >= 1 && deadline < 1e15 ? Math.floor(deadline) : undefined,
      environment: options.environment ?? idText(environment),
      parent,
    });
  } catch (error) {
    // The name of a workflow that was read from what came in may be anything.
    leaveOut("workflow", error);
    return parent;
  }
}

interface Opening {
  readonly tracer: BotanuTracer;
  readonly base: Context;
  readonly incoming: Carrier | undefined;
  readonly extracted: Extracted;
  readonly isEntryPoint: boolean;
  readonly start: EntryStart;
  readonly startTime?: number;
}

function openEntry(opening: Opening, run: RunContext | undefined): Entry {
  const { tracer, base, start, isEntryPoint } = opening;
  const { span, context: inside } = startSpan(opening, run);
  const above = getScope(base)?.span;
  // A run that goes on above, in this process, has its run span.
  const opensRun = run && isEntryPoint && !(above && getRun(base) === run);
  const runSpan = opensRun ? startRunSpan(tracer, run, inside, SpanKind.INTERNAL) : undefined;
  let open = true;
  return {
    context: runSpan?.context ?? inside,
    run,
    span,
    end({ error, status }: EntryEnd = {}): void {
      if (!open) return;
      open = false;
      if (runSpan) endRunSpan(runSpan, { error, status });
      if (start.span) return;
      const failed = status ? status === "failure" || status === "timeout" : error !== undefined;
      if (error !== undefined) recordFailure(span, error, inside, failed);
      else if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

function startSpan(opening: Opening, run: RunContext | undefined): { span: Span; context: Context } {
  const { tracer, base, start, startTime } = opening;
  const { spanContext, baggage, untrustedRunId } = opening.extracted;
  const { kind, links } = start;
  const attributes = untrustedRunId
    ? { ...start.attributes, [UNTRUSTED_RUN_ID]: untrustedRunId }
    : (start.attributes ?? {});
  const options: SpanOptions = { kind, attributes };
  if (links) options.links = links;
  if (startTime) options.startTime = startTime;
  let context = base.getValue(TRACER_KEY) === tracer ? base : base.setValue(TRACER_KEY, tracer);
  if (spanContext && !start.span) context = setSpan(context, wrapSpanContext(spanContext));
  if (baggage?.length) context = setForeignBaggage(context, baggage);
  if (run) context = setRun(context, run);
  else if (getRun(context)) context = context.deleteValue(RUN_KEY);
  const span = start.span ?? tracer.startSpan(start.name, options, context);
  if (start.span) {
    if (getRun(base) !== run) forgetRun(start.span);
    start.span.setAttributes({ ...attributes, ...(run && runAttributes(run)) });
    // A host may have a span of its own for each middleware, which then is the active one.
    if (run && !getScope(base)) getSpan(base)?.setAttributes(runAttributes(run));
  }
  const active = start.span ? (getSpan(context) ?? span) : span;
  return { span, context: setScope(tracer.contextWith(context, active), getScope(base)?.span, opening.incoming) };
}

/** Takes from a span what says that it belongs to a run: a host may have believed a caller that is not trusted here. */
function forgetRun(span: Span & Partial<Pick<ReadableSpan, "attributes">>): void {
  for (const key in span.attributes) if (/^botanu\.[a-z_]+$/.test(key)) delete span.attributes[key];
}
