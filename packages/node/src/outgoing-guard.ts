import { createDestinationPolicy, SPAN_KEY, type Destination, type HostRule } from "@botanu/core";
import { createSpanDestination } from "@botanu/otel";
import type { Context, Span } from "@opentelemetry/api";
import { listOf, type Environment, type Warn } from "./environment.ts";

/** What of a request the undici instrumentation shows: `[name, value, …]`, or one text in old versions. */
interface UndiciRequest {
  readonly headers?: string | readonly unknown[] | undefined;
}

const OWN_HEADER = /(?:^|[\r\n])(baggage|traceparent)(?=[:\r\n]|$)/gi;

/** Says what may go where a context is about to be sent, and leaves headers alone that a request brings itself. */
export interface OutgoingGuard {
  readonly destination: (context: Context) => Destination;
  /** Hook of the undici instrumentation: its requests take a second header of the same name beside the first. */
  readonly requestHook: (span: Span, request: UndiciRequest) => void;
}

/** The guard by `propagateTo` and `traceTo`, which code may give and the variables `BOTANU_PROPAGATE_TO` and `BOTANU_TRACE_TO` do otherwise. */
export function createOutgoingGuard(
  rules: {
    readonly propagateTo?: HostRule | readonly HostRule[] | undefined;
    readonly traceTo?: HostRule | readonly HostRule[] | undefined;
  },
  env: Environment,
  warn: Warn,
): OutgoingGuard {
  const bySpan = createSpanDestination(
    createDestinationPolicy({
      propagateTo: rules.propagateTo ?? hostsOf(env, "BOTANU_PROPAGATE_TO", warn),
      traceTo: rules.traceTo ?? hostsOf(env, "BOTANU_TRACE_TO", warn),
    }),
  );
  const own = new WeakMap<Span, Set<string>>();
  return {
    destination: (context) => {
      const { baggage, trace } = bySpan(context);
      const headers = own.get(context.getValue(SPAN_KEY) as Span);
      return { baggage: baggage && !headers?.has("baggage"), trace: trace && !headers?.has("traceparent") };
    },
    requestHook: (span, request) => {
      const headers = ownHeaders(request.headers);
      if (headers.size > 0) own.set(span, headers);
    },
  };
}

function ownHeaders(headers: UndiciRequest["headers"]): Set<string> {
  const names =
    typeof headers === "string" ? headers : (headers ?? []).filter((_, index) => index % 2 === 0).join("\n");
  return new Set(Array.from(names.matchAll(OWN_HEADER), (match) => String(match[1]).toLowerCase()));
}

/** A rule that is none is left out: a service must not fail to start for it. */
function hostsOf(env: Environment, variable: string, warn: Warn): readonly HostRule[] {
  return (listOf(env, variable) ?? []).filter((rule) => {
    try {
      createDestinationPolicy({ propagateTo: rule });
      return true;
    } catch {
      warn(`${variable} holds what is no host, "*.suffix" or "*" ("${rule}"); it was left out.`);
      return false;
    }
  });
}
