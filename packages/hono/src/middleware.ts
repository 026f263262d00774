import { type Context, diag, RUN_ID_HEADER, type RunContext, withContext } from "@botanu/core";
import { OtlpTraceExporter, type OtlpExporterOptions } from "@botanu/otlp";
import {
  activeTracer,
  type AdapterOptions,
  answer,
  type BotanuTracer,
  checkEntryOptions,
  createTracer,
  endHttpEntry,
  type EntryOptions,
  entryOf,
  type EntryStart,
  type HostTracerOptions,
  type HttpEntry,
  type HttpWork,
  type Invocation,
  serviceAttributes,
  startHttpEntry,
  type TracerOptions,
  type Variables,
  type WaitUntil,
  watchWaitUntil,
  withHeader,
} from "@botanu/tracer";
import type { Context as HonoContext, MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";

/** What the middleware sets, for `new Hono<BotanuEnv>()`. */
export interface BotanuEnv {
  Variables: {
    /** The run that the request belongs to; a hop may have none. */
    botanu: RunContext | undefined;
    /** The request's context, to pass on by hand where the runtime keeps no active one. */
    botanuContext: Context;
  };
}

/**
 * Options of the middleware: when a run starts and whom to believe, what is reported (`serviceName`, `environment`, …) and where to
 * (`url` or `endpoint`, `headers`, …, or an `exporter`, or a `tracer`).
 */
export interface BotanuOptions extends EntryOptions<HonoContext>, AdapterOptions, Omit<OtlpExporterOptions, "diag"> {
  /** Beside a registered OpenTelemetry provider: also shows it the run as OpenTelemetry Baggage, which it may send to any host. */
  readonly hostBaggage?: boolean | undefined;
}

/** Makes the middleware, from options or from what reads them: once per app and isolate, at the first request. */
export type Botanu = (options?: BotanuOptions | ((c: HonoContext) => BotanuOptions)) => MiddlewareHandler<BotanuEnv>;

/** What a runtime adds to what every runtime does. */
export interface Platform {
  readonly variables?: (() => Variables) | undefined;
  readonly tracerOptions?: TracerOptions | undefined;
  readonly exporterOptions?: ((options: OtlpExporterOptions, variables: Variables) => OtlpExporterOptions) | undefined;
  /** The tracer of a host that traces already, and the span that it made for the request at hand. */
  readonly hostTracer?: ((options: HostTracerOptions) => BotanuTracer | undefined) | undefined;
  readonly hostStart?: (() => Pick<EntryStart, "span" | "context"> | undefined) | undefined;
  readonly setHostRoute?: ((context: Context, route: string) => void) | undefined;
}

/** The response of Node's HTTP server, where that is the host. */
interface Outgoing {
  readonly writableFinished: boolean;
  once(event: "close", listener: () => void): unknown;
}

type AppContext = HonoContext<BotanuEnv>;
type Next = () => Promise<void>;

/** The middleware for a platform. */
export function createBotanu(platform: Platform): Botanu {
  return (given = {}) => {
    if (typeof given !== "function") check(given);
    let options: BotanuOptions | null | undefined;
    let tracer: BotanuTracer | undefined;
    return createMiddleware<BotanuEnv>(async (c, next) => {
      if (options === undefined) {
        // A mistake that only a request could show: the app goes on, untraced.
        try {
          options = typeof given === "function" ? check(given(c)) : given;
          tracer = createServiceTracer(options, { ...platform.variables?.(), ...(c.env as Variables) }, platform);
        } catch (error) {
          options = null;
          diag().error(`botanu is off: ${String(error)}`);
        }
      }
      if (!options || !tracer) return next();
      const outer = entryOf<HttpEntry>(c.req.raw);
      await (outer ? runLayer(outer, options, c, next) : runRequest(tracer, options, platform, c, next));
    });
  };
}

/** Mistakes in options are told at set-up. */
function check(options: BotanuOptions): BotanuOptions {
  checkEntryOptions(options);
  if (!options.exporter && !options.tracer) new OtlpTraceExporter(options as OtlpExporterOptions);
  return options;
}

function createServiceTracer(options: BotanuOptions, variables: Variables, platform: Platform): BotanuTracer {
  if (options.tracer) return options.tracer;
  const resource = serviceAttributes(options, variables);
  const hosted = platform.hostTracer?.({ ...options, resource });
  if (hosted) return hosted;
  const given = options as OtlpExporterOptions;
  const exporter = options.exporter ?? new OtlpTraceExporter(platform.exporterOptions?.(given, variables) ?? given);
  return createTracer({ ...platform.tracerOptions, ...options, resource, exporter });
}

/** A request that another layer took in: a Worker's handler, or this middleware further out. Its span is the one span. */
async function runLayer(outer: HttpEntry, options: BotanuOptions, c: AppContext, next: Next): Promise<void> {
  const { span, context } = outer;
  const entry = await startHttpEntry(activeTracer(context), undefined, workOf(c), c, options, { span, context });
  outer.layer = entry;
  try {
    await carryOut(entry, c, next);
  } finally {
    outer.route ??= entry.route;
    outer.error ??= entry.error;
  }
  if (options.responseHeader !== false && entry.run && entry.run !== outer.run) {
    replaceResponse(c, withHeader(c.res, RUN_ID_HEADER, entry.run.runId));
  }
}

async function runRequest(
  tracer: BotanuTracer,
  options: BotanuOptions,
  platform: Platform,
  c: AppContext,
  next: Next,
): Promise<void> {
  const execution = executionOf(c);
  const invocation = execution && tracer.startInvocation();
  const waitUntil = execution && invocation && watchWaitUntil(execution, invocation);
  const closed = closeOf(c);
  const starting = startHttpEntry(tracer, invocation, workOf(c), c, options, platform.hostStart?.());
  const entry = starting instanceof Promise ? await starting : starting;
  try {
    await carryOut(entry, c, next);
    finish(entry, options.responseHeader !== false, c, closed, invocation);
  } catch (error) {
    endHttpEntry(entry, undefined, "failed");
    throw error;
  } finally {
    if (entry.hosted && entry.route) platform.setHostRoute?.(entry.context, entry.route);
    if (invocation) waitUntil?.(invocation.flush());
  }
}

/** Calls the rest of the app in the entry's context, and reads from Hono what became of it. */
async function carryOut(entry: HttpEntry, c: AppContext, next: Next): Promise<void> {
  c.set("botanu", entry.run);
  c.set("botanuContext", entry.context);
  try {
    await withContext(entry.context, next);
    entry.error = c.error;
  } catch (error) {
    // Hono catches errors itself: what comes here was thrown without being one.
    entry.error = error;
    throw error;
  } finally {
    entry.route = matchedRoute(c);
  }
}

function finish(
  entry: HttpEntry,
  header: boolean,
  c: AppContext,
  closed: Promise<Outgoing> | undefined,
  invocation: Invocation | undefined,
): void {
  if (!closed) {
    const track = (promise: Promise<unknown>): void => invocation?.track(promise);
    return replaceResponse(c, answer(entry, c.res, { header, track, signal: c.req.raw.signal }));
  }
  if (header && entry.run) replaceResponse(c, withHeader(c.res, RUN_ID_HEADER, entry.run.runId));
  const { status } = c.res;
  void closed.then(({ writableFinished }) => {
    endHttpEntry(entry, status, writableFinished ? undefined : "aborted");
  });
}

/** Hono copies headers of the response before to the new one, unless there is none. */
function replaceResponse(c: AppContext, response: Response): void {
  if (response === c.res) return;
  c.res = undefined;
  c.res = response;
}

function workOf(c: AppContext): HttpWork {
  const { raw } = c.req;
  return { key: raw, method: raw.method, url: raw.url, headers: raw.headers, userAgent: raw.headers.get("user-agent") };
}

function executionOf(c: AppContext): WaitUntil | undefined {
  try {
    return c.executionCtx;
  } catch {
    // Only some hosts have one, and Hono throws elsewhere.
    return undefined;
  }
}

/** Node's server says itself when a response is over, streamed or not, so there nothing has to be piped. */
function closeOf(c: AppContext): Promise<Outgoing> | undefined {
  const { outgoing } = Object(c.env) as { outgoing?: Outgoing };
  return outgoing && new Promise((resolve) => outgoing.once("close", () => resolve(outgoing)));
}

/** The pattern of the handler that answered. Middleware is registered for all methods and takes two parameters: no route. */
function matchedRoute(c: AppContext): string | undefined {
  const route = matchedRoutes(c)[c.req.routeIndex];
  return route && !(route.method === "ALL" && route.handler.length > 1) ? route.path : undefined;
}
