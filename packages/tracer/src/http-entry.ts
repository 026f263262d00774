// An entry that is an HTTP request, and how two layers of one request (a Worker and the app in it) find the same entry.

import type { Carrier, Context } from "@botanu/core";
import { type Entry, type EntryOptions, type EntryStart, startEntry } from "./entry.ts";
import { serverAttributes, serverSpanName, setServerOutcome } from "./http.ts";
import { type BotanuTracer, type Invocation, SpanKind } from "./types.ts";

const ENTRY_KEY: unique symbol = /* @__PURE__ */ Symbol.for("botanu.entry.v1");

/** A request as any host has it. */
export interface HttpWork {
  /** The host's request object: what the entry is found by. */
  readonly key: object;
  readonly method: string;
  /** Absolute, as the client sent it. */
  readonly url: string;
  readonly headers: Carrier;
  readonly userAgent?: string | null | undefined;
}

/** An entry that is an HTTP request. */
export interface HttpEntry extends Entry {
  readonly method: string;
  /** The pattern of the route, and what its handler threw: written by whoever knows them, read at the end. */
  route?: string | undefined;
  error?: unknown;
  /** A further layer of the same request: it ends with this one, just before. */
  layer?: HttpEntry | undefined;
  /** Whether somebody else made the span, who names and ends it. */
  readonly hosted: boolean;
}

/** Starts the entry of a request; with `host.span`, the part of a further layer of one that has its span. */
export function startHttpEntry<S>(
  tracer: BotanuTracer,
  invocation: Invocation | undefined,
  work: HttpWork,
  source: S,
  options: EntryOptions<S>,
  host?: Pick<EntryStart, "span" | "context">,
): HttpEntry | Promise<HttpEntry> {
  const { method } = work;
  const attributes = host?.span ? undefined : serverAttributes(method, work.url, work.userAgent);
  const start = { name: serverSpanName(method), kind: SpanKind.SERVER, attributes, ...host };
  const opened = (entry: Entry): HttpEntry => {
    const http = Object.assign(entry, { method, hosted: start.span !== undefined });
    rememberEntry(work.key, http);
    return http;
  };
  const entry = startEntry(tracer, invocation, work.headers, source, options, start);
  return entry instanceof Promise ? entry.then(opened) : opened(entry);
}

/** Why a response did not end well: the client went away, its body failed, or it was still open when its span had to leave. */
export type ResponseEnd = "aborted" | "failed" | "open";

/** Ends a request that was answered with `status`, or not at all. */
export function endHttpEntry(entry: HttpEntry, status?: number, how?: ResponseEnd): void {
  const { method, route, error, span, hosted, layer } = entry;
  if (layer) endHttpEntry(layer, status, how);
  const failed = how === "failed" || (status === undefined ? error !== undefined : status >= 500);
  if (!hosted) setServerOutcome(span, { method, route, status, error, failed });
  if (how && !hosted) span.setAttribute("botanu.response.end", how);
  if (failed && error !== undefined) entry.end({ error });
  else entry.end({ error, status: failed ? "failure" : how === "aborted" ? "canceled" : "success" });
}

/**
 * Lets {@link entryOf} find an entry by what came in: by a hidden property of it, since tables with weak keys, one per request, are what a
 * garbage collector takes longest for. What is frozen is not found.
 */
export function rememberEntry(source: object, value: Entry): void {
  Reflect.defineProperty(source, ENTRY_KEY, { value, configurable: true });
}

/** The entry of a request, message or event that an adapter was given. */
export function entryOf<E extends Entry = Entry>(source: object): E | undefined {
  return (source as { [ENTRY_KEY]?: E })[ENTRY_KEY];
}

/**
 * The context of a request, message or event that an adapter was given: what to pass on by hand where the runtime keeps no active
 * context.
 */
export function contextOf(source: object): Context | undefined {
  return entryOf(source)?.context;
}
