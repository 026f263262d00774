import { diag, extract, type Extracted, withContext } from "@botanu/core";
import { OtlpTraceExporter, type OtlpExporterOptions } from "@botanu/otlp";
import { otlpOptionsFromEnv } from "@botanu/otlp/env";
import {
  type AdapterOptions,
  type BotanuTracer,
  checkEntryOptions,
  createTracer,
  type Entry,
  type EntryOptions,
  type EntryStart,
  type Invocation,
  rememberEntry,
  setServerOutcome,
  SpanKind,
  startEntry,
} from "@botanu/tracer";
import { linksOf, type ReceivedBatch, receiveBatch, rememberBatch, sharedRun } from "./batch.ts";
import { describeEvent, type EventDescription } from "./event.ts";
import { executionRunId } from "./execution.ts";
import { Flush, type FlushStrategy, isLocal } from "./flush.ts";
import { invocationAttributes, takeColdStart } from "./invocation-attributes.ts";
import { KeptExporter } from "./kept-exporter.ts";
import { httpFetch } from "./node-http.ts";
import { OpenSpans } from "./open-spans.ts";
import { type LambdaContext, STREAMING } from "./platform.ts";
import { lambdaResource } from "./resource.ts";
import { invocationXRay } from "./xray.ts";

/** Any handler: of values, of streams, or with a callback. */
export type LambdaHandler = (...args: never[]) => unknown;

/**
 * What a function is told: when a run starts and whom to believe, what is reported (`serviceName`, `environment`, …), where to (`url` or
 * `endpoint`, `headers`, …, or an `exporter`, or a `tracer`) and when.
 *
 * Of a batch each record is asked for ids, not the event.
 *
 * By default a caller over HTTP is believed by a hop alone, and every other sender is believed: who may send to a queue or invoke a
 * function is said elsewhere.
 */
export interface LambdaOptions<E = unknown>
  extends EntryOptions<E>, Omit<AdapterOptions, "responseHeader">, Omit<OtlpExporterOptions, "diag"> {
  /** Default `auto`. */
  readonly flush?: FlushStrategy | undefined;
  /** What is kept free before the function's deadline, in milliseconds: then open spans end as timed out, and leave. Default 100. */
  readonly timeoutMarginMillis?: number | undefined;
  /** Makes the X-Ray segment of the invocation the parent where nobody sent another. Default: a link. */
  readonly parentFromXRay?: boolean | undefined;
}

/** A handler's tracer and habits. */
export interface Service {
  readonly options: LambdaOptions<never>;
  readonly tracer: BotanuTracer;
  readonly flush: Flush;
  readonly openSpans: OpenSpans;
  readonly margin: number;
}

/** One invocation under way. */
export interface Work {
  readonly service: Service;
  readonly invocation: Invocation;
  readonly entry: Entry;
  readonly description: EventDescription;
  readonly context: LambdaContext | undefined;
  readonly isHeldOpen: boolean;
  readonly guard: ReturnType<typeof setTimeout> | undefined;
}

type Call = (args: readonly unknown[]) => unknown;

/**
 * A handler with a server or consumer span around each invocation, its run, and a flush before the freeze. It is called as the given one,
 * gives what that gives and throws what that throws; `this`, name and properties are the same, and it declares no parameter, since runtimes
 * refuse handlers that declare three. Handlers with a callback go on where the runtime has callbacks.
 *
 * @throws BotanuError ERR_INVALID_OPTION, and what the exporter throws, for options that cannot be meant.
 */
export function botanuHandler<F extends LambdaHandler>(options: LambdaOptions<Parameters<F>[0]>, fn: F): F {
  const isStreaming = Reflect.get(fn, STREAMING) !== undefined;
  const service = createService(options as LambdaOptions<never>, isStreaming);
  const handler = function (this: unknown, ...args: unknown[]): unknown {
    const call: Call = (given) => Reflect.apply(fn, this, given as never);
    const starting = begin(service, args[0], args[isStreaming ? 2 : 1] as LambdaContext | undefined);
    if (!starting) return call(args);
    const expectsCallback = fn.length > 2;
    if (!(starting instanceof Promise)) return carryOut(starting, args, call, expectsCallback);
    return starting.then((work) => answerOf(work, args, call, expectsCallback));
  };
  for (const key of Reflect.ownKeys(fn)) {
    if (key === "length" || key === "prototype") continue;
    Object.defineProperty(handler, key, Object.getOwnPropertyDescriptor(fn, key) as PropertyDescriptor);
  }
  return handler as unknown as F;
}

/** @throws BotanuError ERR_INVALID_OPTION, and what the exporter throws, for options that cannot be meant */
export function createService(options: LambdaOptions<never>, isStreaming: boolean): Service {
  checkEntryOptions(options);
  const exporterOptions = withEnvironment(options);
  const own = options.exporter ? undefined : new KeptExporter(new OtlpTraceExporter(exporterOptions));
  const exporter = options.exporter ?? own;
  const openSpans = new OpenSpans();
  const resource = lambdaResource(options, process.env);
  const processors = [...(options.processors ?? []), openSpans];
  const tracer = options.tracer ?? createTracer({ ...options, resource, exporter, processors });
  const margin = options.timeoutMarginMillis ?? 100;
  const target = exporterOptions.url ?? exporterOptions.endpoint;
  const flush = new Flush(options.flush ?? "auto", target, isStreaming, margin);
  if (own) flush.atEnd(() => own.flush());
  return { options, tracer, margin, openSpans, flush };
}

/** One attempt per flush: what is waited for between attempts is paid for. Code wins over variables. */
function withEnvironment(options: OtlpExporterOptions): OtlpExporterOptions {
  const { url, endpoint, ...rest } = otlpOptionsFromEnv(process.env, (message) => diag().warn(message));
  const target = (options.url ?? options.endpoint) ? undefined : { url, endpoint };
  const where = { ...target, ...options };
  // On this machine a compressor gains nothing, and starting it would outlast the time that the answer waits.
  const local = isLocal(where.url ?? where.endpoint) ? { compression: "none" as const } : {};
  return { maxAttempts: 1, fetch: httpFetch, ...local, ...rest, ...where };
}

/** Starts the spans of an invocation. Nothing that comes in makes it throw; if anything did, the handler would go on untraced. */
export function begin(
  service: Service,
  event: unknown,
  context: LambdaContext | undefined,
): Work | Promise<Work> | undefined {
  try {
    const { tracer, flush } = service;
    const description = describeEvent(event, context?.clientContext);
    const invocation = tracer.startInvocation();
    const isHeldOpen = flush.begin(context);
    const opened = (entry: Entry): Work => {
      if (typeof event === "object" && event !== null) rememberEntry(event, entry);
      const work = { service, invocation, entry, description, context, isHeldOpen };
      return { ...work, guard: guardTimeout(work) };
    };
    const entry = startInvocationEntry(service, invocation, description, event, context);
    return entry instanceof Promise ? entry.then(opened) : opened(entry);
  } catch (error) {
    diag().error(`invocation not traced: ${String(error)}`);
    service.flush.cancel(context);
    return undefined;
  }
}

function startInvocationEntry(
  { tracer, options }: Service,
  invocation: Invocation,
  description: EventDescription,
  event: unknown,
  context: LambdaContext | undefined,
): Entry | Promise<Entry> {
  const isHttp = description.trigger === "http";
  const trust = options.trust ?? (!isHttp || options.workflow === undefined);
  const given = { runId: executionRunId, ...options, trust } as LambdaOptions<unknown>;
  const start: EntryStart & { links: NonNullable<EntryStart["links"]> } = {
    name: description.name ?? context?.functionName ?? process.env["AWS_LAMBDA_FUNCTION_NAME"] ?? "lambda",
    kind: description.records ? SpanKind.CONSUMER : SpanKind.SERVER,
    attributes: { ...invocationAttributes(context, description.trigger, takeColdStart()), ...description.attributes },
    links: [],
  };
  const xray = invocationXRay(context);
  if (description.records) {
    const batch = receiveBatch(tracer, given as EntryOptions<never>, description, event);
    start.links.push(...linksOf(batch));
    const [first] = batch.records;
    // A lone record is the invocation's business; of several without a run each is its own.
    const own = isWithoutRun(batch) ? { ...given, source: first?.record.source } : { trust: true, source: event };
    const entry = startEntry(tracer, invocation, () => ({ run: sharedRun(batch) }), own.source, own, start);
    const opened = (made: Entry): Entry => {
      batch.context = made.context;
      rememberBatch(event as object, batch);
      return made;
    };
    return entry instanceof Promise ? entry.then(opened) : opened(entry);
  }
  const carrier = description.carrier ?? {};
  const asParent = xray && options.parentFromXRay === true && !extract(carrier).spanContext;
  if (xray && !asParent) start.links.push({ context: xray });
  const read = (trusted: boolean): Extracted => ({ ...extract(carrier, { trust: trusted }), spanContext: xray });
  return startEntry(tracer, invocation, asParent ? read : carrier, event, given, start);
}

/** Whether a batch starts a run as one event would: it has one record, or records that cannot carry any, and no run. */
function isWithoutRun({ records }: ReceivedBatch): boolean {
  return (
    records.every(({ extracted }) => !extracted.run) &&
    (records.length === 1 || records.every(({ record }) => record.id === undefined))
  );
}

/** Ends the spans of a handler that is about to be cut off. It cannot while the process is busy. */
function guardTimeout(work: Omit<Work, "guard">): ReturnType<typeof setTimeout> | undefined {
  const { context, service, entry, invocation } = work;
  const remaining = context?.getRemainingTimeInMillis?.();
  // Of a short time the margin would take most.
  if (remaining === undefined || remaining < 4 * service.margin) return undefined;
  const timer = setTimeout(() => {
    // The run first, which says how it ended; what is below is then all that is left.
    entry.end({ status: "timeout" });
    service.openSpans.end(invocation);
    void invocation.flush(service.margin);
  }, remaining - service.margin);
  timer.unref();
  return timer;
}

/** The same for a handler that begins later than it was called: what it would answer by a callback is a promise then. */
function answerOf(work: Work, args: readonly unknown[], call: Call, expectsCallback: boolean): unknown {
  if (!expectsCallback || typeof args[2] !== "function") return carryOut(work, args, call, false);
  return new Promise((resolve, reject) => {
    const callback = (error?: unknown, value?: unknown): void => (error ? reject(error as Error) : resolve(value));
    const result = carryOut(work, [args[0], args[1], callback], call, true);
    if (isThenable(result)) result.then(resolve, reject);
  });
}

function carryOut(work: Work, args: readonly unknown[], call: Call, expectsCallback: boolean): unknown {
  const { context } = work;
  // Up to Node 22 a handler may answer by a callback, and does so without a promise.
  const hasCallbacks = typeof context?.done === "function" && typeof args[2] === "function";
  const settlement = hasCallbacks ? watchCallbacks(work, args) : undefined;
  let result: unknown;
  try {
    result = withContext(work.entry.context, () => call(settlement?.args ?? args));
  } catch (error) {
    // As a rejection, which is answered the same way: a throw would be answered before the spans have left.
    return finish(work, { error, failed: true }).then(() => Promise.reject(error));
  }
  if (isThenable(result)) {
    return Promise.resolve(result).then(
      (value) => finish(work, { value }).then(() => value),
      (error: unknown) => finish(work, { error, failed: true }).then(() => Promise.reject(error)),
    );
  }
  if (!settlement) return finish(work, { value: result }).then(() => result);
  // Without a callback, and without a promise, the runtime answers when nothing is left to do, and the flush is something to do.
  if (!expectsCallback) settlement.settle({ value: result });
  return result;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** How a handler ended. */
export interface Outcome {
  readonly value?: unknown;
  readonly error?: unknown;
  readonly failed?: boolean;
}

/** Ends the spans and sends them; resolves when the answer may go. Never rejects. */
export async function finish(work: Work, outcome: Outcome): Promise<void> {
  try {
    clearTimeout(work.guard);
    end(work, outcome);
    await work.service.flush.send(work.invocation, work.context, work.isHeldOpen);
  } catch (error) {
    diag().error(`invocation not flushed: ${String(error)}`);
  }
}

function end({ entry, description }: Work, { value, error, failed = error !== undefined }: Outcome): void {
  const { span } = entry;
  const { statusCode, batchItemFailures } = Object(value) as { statusCode?: unknown; batchItemFailures?: unknown };
  if (Array.isArray(batchItemFailures)) span.setAttribute("botanu.batch.failures", batchItemFailures.length);
  if (!description.method) return entry.end(failed && error === undefined ? { status: "failure" } : { error });
  const status = typeof statusCode === "number" ? statusCode : failed ? undefined : 200;
  const isFailed = failed || (status ?? 0) >= 500;
  setServerOutcome(span, { method: description.method, route: description.route, status, error, failed: isFailed });
  entry.end(error === undefined ? { status: isFailed ? "failure" : "success" } : { error });
}

/** A callback, and the older methods of the context, that let the spans end and leave before they answer. */
function watchCallbacks(
  work: Work,
  args: readonly unknown[],
): { readonly args: readonly unknown[]; settle(outcome: Outcome): void } {
  let settled: Promise<void> | undefined;
  const settle = (outcome: Outcome): void => void (settled ??= finish(work, outcome));
  const after = (outcome: Outcome, answer: () => void): void => {
    settle(outcome);
    void settled?.then(answer);
  };
  const context = args[1] as LambdaContext;
  const callback = args[2] as (error?: unknown, result?: unknown) => void;
  const { done, succeed, fail } = context;
  const own = {
    done: (error?: unknown, value?: unknown) => after(error ? { error } : { value }, () => done?.(error, value)),
    succeed: (value?: unknown) => after({ value }, () => succeed?.(value)),
    fail: (error?: unknown) => after({ error, failed: true }, () => fail?.(error)),
  };
  Object.assign(context, own);
  const wrapped = (error?: unknown, value?: unknown): void =>
    after(error === null || error === undefined ? { value } : { error }, () => callback(error, value));
  return { args: [args[0], context, wrapped, ...args.slice(3)], settle };
}
