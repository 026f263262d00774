import { SPAN_KEY, type Destination, type DestinationPolicy } from "@botanu/core";
import type { Attributes, Context } from "@opentelemetry/api";

const CLIENT = 2;
const EVERYWHERE: Destination = { baggage: true, trace: true };
const NOWHERE: Destination = { baggage: false, trace: false };

interface ClientSpan {
  readonly kind?: number;
  readonly attributes?: Attributes;
}

/**
 * The destination rule for instrumented clients: an instrumentation makes its client span active and then injects, so
 * the span's `url.full` or `server.address` says where the request goes.
 *
 * A client span that names no host sends nothing. What is no client span (a message producer, the application's own
 * call of `inject`) may send everything, and so may calls through a cloud SDK, whose carrier is the message.
 * Spans must record for this to work: wrap the sampler with `recordClients`.
 */
export function createSpanDestination(policy: DestinationPolicy): (context: Context) => Destination {
  return (context) => {
    const span = context.getValue(SPAN_KEY) as ClientSpan | undefined;
    if (span?.kind !== CLIENT || span.attributes === undefined) return EVERYWHERE;
    if (span.attributes["rpc.system"] === "aws-api") return EVERYWHERE;
    const url = target(span.attributes);
    return url === undefined ? NOWHERE : policy(url);
  };
}

function target(attributes: Attributes): URL | undefined {
  const full = attributes["url.full"] ?? attributes["http.url"];
  const address = attributes["server.address"] ?? attributes["net.peer.name"];
  if (typeof full === "string" && URL.canParse(full)) return new URL(full);
  if (typeof address !== "string" || address === "") return undefined;
  const host = address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
  const url = `http://${host}:${String(attributes["server.port"] ?? 80)}/`;
  return URL.canParse(url) ? new URL(url) : undefined;
}
