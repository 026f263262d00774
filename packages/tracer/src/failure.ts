import type { Carrier, Context } from "@botanu/core";
import { type Span, SpanStatusCode } from "./types.ts";

const SCOPE_KEY: symbol = /* @__PURE__ */ Symbol.for("botanu.scope.v1");
const MAX_SEEN = 64;

/** What the spans of one run share in this process. */
export interface RunScope {
  /** The run span that is nearest above; none in a service that only passes a run on. */
  readonly span: Span | undefined;
  /** What was thrown and is already recorded on some span. */
  readonly seen: Set<unknown>;
  /** What the work came in with: a header of it that is sent on is the sender's, not the application's. */
  readonly incoming: Carrier | undefined;
}

/** The scope that `context` lies in. */
export function getScope(context: Context): RunScope | undefined {
  return context.getValue(SCOPE_KEY) as RunScope | undefined;
}

/** A context below `span`; what was recorded above or beside it stays known, and so does what came in. */
export function setScope(context: Context, span: Span | undefined, incoming?: Carrier): Context {
  const above = getScope(context);
  const scope: RunScope = { span, seen: above?.seen ?? new Set(), incoming: incoming ?? above?.incoming };
  return context.setValue(SCOPE_KEY, scope);
}

/**
 * A name of low cardinality for what was thrown: an error's `name`, otherwise the type of the value. Minifiers rename classes,
 * so a class that wants to be told apart sets `name`.
 */
export function errorType(error: unknown): string {
  try {
    // By its shape, because an error may come from another realm.
    const { name, message } = Object(error) as { name?: unknown; message?: unknown };
    if (typeof name === "string" && name && typeof message === "string") return name;
  } catch {
    // A getter threw; the type has to do.
  }
  return typeof error;
}

/**
 * Records what was thrown on the first span that it passes, and on no other further out. `failed` also sets the span's status.
 * Never throws, whatever was thrown.
 */
export function recordFailure(span: Span, error: unknown, context: Context, failed = true): void {
  const seen = getScope(context)?.seen;
  const exception = toException(error);
  if (!seen?.has(error)) {
    // An endless run may fail without end; what is forgotten can at worst be recorded twice.
    if (seen && seen.size >= MAX_SEEN) seen.clear();
    seen?.add(error);
    span.recordException(exception);
  }
  const { message } = exception;
  if (failed) span.setStatus(message ? { code: SpanStatusCode.ERROR, message } : { code: SpanStatusCode.ERROR });
}

/** A copy, so that no getter of a foreign object runs inside the tracer. The name goes before a `code`, which names no class. */
function toException(error: unknown): { name: string; message?: string; stack?: string } {
  const name = errorType(error);
  try {
    const { message, stack } = Object(error) as { message?: unknown; stack?: unknown };
    return {
      name,
      message: typeof message === "string" ? message : String(error),
      ...(typeof stack === "string" ? { stack } : undefined),
    };
  } catch {
    return { name };
  }
}
