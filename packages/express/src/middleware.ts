import { activeContext, diag, RUN_ID_HEADER, type RunContext, withContext } from "@botanu/core";
import { OtlpTraceExporter, type OtlpExporterOptions } from "@botanu/otlp";
import { otlpOptionsFromEnv } from "@botanu/otlp/env";
import {
  activeTracer,
  type AdapterOptions,
  batchSpans,
  type BotanuTracer,
  checkEntryOptions,
  createHostTracer,
  createTracer,
  endHttpEntry,
  type EntryOptions,
  entryOf,
  hostProvider,
  hostSpan,
  type HttpEntry,
  type HttpWork,
  serviceAttributes,
  setHostRoute,
  startHttpEntry,
} from "@botanu/tracer";
import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from "express";
import { watchRoute } from "./route.ts";

/**
 * Options of the middleware: when a run starts and whom to believe, what is reported (`serviceName`, `environment`, …) and where to
 * (`url` or `endpoint`, `headers`, …, or an `exporter`, or a `tracer`).
 */
export interface BotanuOptions extends EntryOptions<Request>, AdapterOptions, Omit<OtlpExporterOptions, "diag"> {
  /** Beside a registered OpenTelemetry provider: also shows it the run as OpenTelemetry Baggage, which it may send to any host. */
  readonly hostBaggage?: boolean | undefined;
}

/** The middleware, and the end of it. */
export interface BotanuMiddleware extends RequestHandler {
  /** Sends what is buffered. Call it before the process ends. Never rejects. */
  shutdown(): Promise<void>;
}

/**
 * Middleware that takes each request in as an entry point (with `workflow`) or as a hop, makes its server span and run span, and
 * reports them in batches. Register it first; registered again further in, such as on a router that names a workflow, it adds to the
 * span that is there. Beside a registered OpenTelemetry provider it makes no second server span.
 *
 * @throws BotanuError ERR_INVALID_OPTION, and what the exporter throws, for options that cannot be meant.
 */
export function botanu(options: BotanuOptions = {}): BotanuMiddleware {
  checkEntryOptions(options);
  const own = options.tracer || options.exporter ? undefined : new OtlpTraceExporter(exporterOptions(options));
  let tracer: BotanuTracer | undefined;
  const handler: RequestHandler = (req, res, next) => {
    // At the first request, when whatever registers a provider has done so.
    tracer ??= createServiceTracer(options, own);
    const outer = entryOf<HttpEntry>(req);
    const starting = outer ? startLayer(outer, options, req) : startRequest(tracer, options, req);
    if (starting instanceof Promise) void starting.then((entry) => goOn(entry, outer, options, req, res, next));
    else goOn(starting, outer, options, req, res, next);
  };
  return Object.assign(handler, { shutdown: async () => tracer?.shutdown() });
}

/** Lets the spans know what was thrown: register it after the routes, before other error handlers. It handles nothing. */
export const botanuErrorHandler: ErrorRequestHandler = (error, req, _res, next) => {
  const entry = entryOf<HttpEntry>(req);
  if (entry) entry.error ??= error;
  next(error);
};

/** The run that a request belongs to; inside its handlers `activeRun()` is the same. */
export function runOf(req: Request): RunContext | undefined {
  return entryOf(req)?.run;
}

function exporterOptions(options: BotanuOptions): OtlpExporterOptions {
  const { url, endpoint, ...rest } = otlpOptionsFromEnv(process.env, (message) => diag().warn(message));
  // An endpoint in code wins over an exact URL in a variable.
  const target = options.url || options.endpoint ? undefined : { url, endpoint };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...rest, ...target, ...Object.fromEntries(given) };
}

function createServiceTracer(options: BotanuOptions, own: OtlpTraceExporter | undefined): BotanuTracer {
  if (options.tracer) return options.tracer;
  const resource = serviceAttributes(options, process.env);
  const provider = hostProvider();
  if (provider) return createHostTracer(provider, { ...options, resource });
  return createTracer({ ...options, resource, exporter: options.exporter ?? own, batch: batchSpans() });
}

function startRequest(tracer: BotanuTracer, options: BotanuOptions, req: Request): HttpEntry | Promise<HttpEntry> {
  const context = hostProvider() && activeContext();
  const host = context && { context, span: hostSpan(context) };
  return startHttpEntry(tracer, undefined, workOf(req), req, options, host);
}

function startLayer(outer: HttpEntry, options: BotanuOptions, req: Request): HttpEntry | Promise<HttpEntry> {
  const { span, context } = outer;
  return startHttpEntry(activeTracer(context), undefined, workOf(req), req, options, { span, context });
}

function workOf(req: Request): HttpWork {
  const { method, originalUrl, headers } = req;
  const url = originalUrl.startsWith("/") ? `${req.protocol}://${headers.host ?? ""}${originalUrl}` : originalUrl;
  return { key: req, method, url, headers, userAgent: headers["user-agent"] };
}

function goOn(
  entry: HttpEntry,
  outer: HttpEntry | undefined,
  options: BotanuOptions,
  req: Request,
  res: Response,
  next: NextFunction,
): void {
  if (options.responseHeader !== false && entry.run && !res.headersSent) res.setHeader(RUN_ID_HEADER, entry.run.runId);
  if (outer) outer.layer = entry;
  else endWithResponse(entry, req, res);
  withContext(entry.context, next);
}

/** Listeners run outside the request's context: what they need is in the closure. */
function endWithResponse(entry: HttpEntry, req: Request, res: Response): void {
  watchRoute(req, (pattern) => {
    entry.route = pattern;
    if (entry.hosted) setHostRoute(entry.context, pattern);
  });
  let open = true;
  const end = (): void => {
    if (!open) return;
    open = false;
    endHttpEntry(entry, res.headersSent ? res.statusCode : undefined, res.writableFinished ? undefined : "aborted");
  };
  res.once("finish", end).once("close", end);
}
