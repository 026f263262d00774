import { diag } from "@botanu/core";
// From here, so that no bundler drops the module that finds AsyncLocalStorage.
import { withContext } from "@botanu/core/async";
import { OtlpTraceExporter, type OtlpExporterOptions } from "@botanu/otlp";
import {
  type AdapterOptions,
  answer,
  type BotanuTracer,
  checkEntryOptions,
  createTracer,
  endHttpEntry,
  type Entry,
  type EntryOptions,
  type Invocation,
  rememberEntry,
  serviceAttributes,
  SpanKind,
  startEntry,
  startHttpEntry,
  type Variables,
  watchWaitUntil,
} from "@botanu/tracer";
import { startBatch } from "./batch.ts";
import type { ExecutionContext, Message, MessageBatch, ScheduledController, WorkerHandler } from "./platform.ts";

/**
 * What a Worker is told: for requests when a run starts and whom to believe (by default nobody), the same for its other events, what
 * is reported (`serviceName`, `environment`, …) and where to (`url` or `endpoint`, `headers`, …, or an `exporter`, or a `tracer`).
 */
export interface WorkerOptions extends EntryOptions<Request>, AdapterOptions, Omit<OtlpExporterOptions, "diag"> {
  /** For cron triggers. */
  readonly scheduled?: EntryOptions<ScheduledController> | undefined;
  /** For each message of a queue, in `forEachMessage`. Messages are trusted unless `trust` says otherwise. */
  readonly queue?: EntryOptions<Message> | undefined;
}

const HANDLERS = ["fetch", "scheduled", "queue", "email", "tail", "trace", "tailStream", "connect", "test"] as const;

/** The names of handlers that a Worker may export. */
export type HandlerName = (typeof HANDLERS)[number];

/** A handler as it is instrumented: the same, and asynchronous. */
type Instrumented<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : F;

/** The handlers of `H`, instrumented. */
export type InstrumentedHandlers<H> = { [K in keyof H as Extract<K, HandlerName>]: Instrumented<H[K]> };

interface Service {
  readonly options: WorkerOptions;
  readonly tracer: BotanuTracer;
}

interface Event extends Service {
  readonly invocation: Invocation;
}

type Handler = (this: unknown, input: never, env: unknown, ctx: ExecutionContext) => unknown;
type Take = (event: Event, input: never, call: () => unknown) => Promise<unknown>;

/**
 * The handlers of a Worker, with runs and spans around `fetch`, `scheduled` and `queue`. What is not there stays absent, `this` stays
 * the given handler, and what a handler throws passes through. Each event makes at most one export, after the handler, in
 * `waitUntil`. `options` may be a function of the Worker's bindings, called once per isolate.
 *
 * @throws BotanuError ERR_INVALID_OPTION, and what the exporter throws, for options that cannot be meant.
 */
export function instrument<Env, H extends WorkerHandler<Env>>(
  handler: H & WorkerHandler<Env>,
  options: WorkerOptions | ((env: Env) => WorkerOptions) = {},
): InstrumentedHandlers<H> {
  if (typeof options !== "function") check(options);
  let service: Service | null | undefined;
  const resolve = (env: unknown): Service | null => {
    try {
      return createService(typeof options === "function" ? check(options(env as Env)) : options, env as Variables);
    } catch (error) {
      // A mistake that only the bindings could show: the Worker goes on, untraced.
      diag().error(`botanu is off: ${String(error)}`);
      return null;
    }
  };
  const takes: Partial<Record<HandlerName, Take>> = { fetch: takeRequest, scheduled: takeSchedule, queue: takeBatch };
  const wrapped: Partial<Record<HandlerName, Handler>> = {};
  for (const name of HANDLERS) {
    const method = (handler as Partial<Record<HandlerName, Handler>>)[name];
    if (typeof method !== "function") continue;
    const take = takes[name];
    wrapped[name] = async (input, env, ctx) => {
      const call = (): unknown => method.call(handler, input, env, ctx);
      if (take && service === undefined) service = resolve(env);
      if (!take || !service) return call();
      const invocation = service.tracer.startInvocation();
      // A test may call a handler without its context.
      const waitUntil = (ctx as ExecutionContext | undefined) && watchWaitUntil(ctx, invocation);
      try {
        return await take({ ...service, invocation }, input, call);
      } finally {
        const flushed = invocation.flush();
        waitUntil?.(flushed);
      }
    };
  }
  return wrapped as InstrumentedHandlers<H>;
}

function check(options: WorkerOptions): WorkerOptions {
  checkEntryOptions(options);
  checkEntryOptions(options.scheduled ?? {});
  checkEntryOptions(options.queue ?? {});
  if (!options.exporter && !options.tracer) new OtlpTraceExporter(options as OtlpExporterOptions);
  return options;
}

function createService(options: WorkerOptions, variables: Variables): Service {
  const resource = serviceAttributes(options, variables, {
    "cloud.provider": "cloudflare",
    "cloud.platform": "cloudflare.workers",
  });
  resource["faas.name"] ??= resource["service.name"];
  // One more attempt is all that fits behind an answer.
  const exporter = (): OtlpTraceExporter =>
    new OtlpTraceExporter({ maxAttempts: 2, ...(options as OtlpExporterOptions) });
  const tracer = options.tracer ?? createTracer({ ...options, resource, exporter: options.exporter ?? exporter() });
  return { options: { ...options, trust: options.trust ?? false }, tracer };
}

async function takeRequest(
  { tracer, options, invocation }: Event,
  request: Request,
  call: () => unknown,
): Promise<Response> {
  const { method, url, headers } = request;
  const work = { key: request, method, url, headers, userAgent: headers.get("user-agent") };
  const starting = startHttpEntry(tracer, invocation, work, request, options);
  const entry = starting instanceof Promise ? await starting : starting;
  try {
    const response = (await withContext(entry.context, call)) as Response;
    const track = (promise: Promise<unknown>): void => invocation.track(promise);
    return answer(entry, response, { header: options.responseHeader !== false, track, signal: request.signal });
  } catch (error) {
    entry.error = error;
    endHttpEntry(entry, undefined, "failed");
    throw error;
  }
}

async function takeSchedule(
  { tracer, options, invocation }: Event,
  controller: ScheduledController,
  call: () => unknown,
): Promise<unknown> {
  const { cron, scheduledTime } = controller;
  const attributes = {
    "faas.trigger": "timer",
    "faas.cron": cron,
    "faas.time": new Date(scheduledTime).toISOString(),
  };
  const start = { name: `scheduled ${cron}`, kind: SpanKind.SERVER, attributes };
  return carryOut(
    controller,
    await startEntry(tracer, invocation, {}, controller, options.scheduled ?? {}, start),
    call,
  );
}

async function takeBatch(event: Event, batch: MessageBatch, call: () => unknown): Promise<unknown> {
  return carryOut(batch, await startBatch(event.tracer, event.invocation, batch, event.options.queue ?? {}), call);
}

async function carryOut(source: object, entry: Entry, call: () => unknown): Promise<unknown> {
  rememberEntry(source, entry);
  try {
    const result = await withContext(entry.context, call);
    entry.end();
    return result;
  } catch (error) {
    entry.end(error === undefined ? { status: "failure" } : { error });
    throw error;
  }
}
