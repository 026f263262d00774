// Bindings that carry the run: queues in the body, services in headers. The given binding stays as it is; what is returned calls it.

import {
  activeContext,
  type Context,
  getForeignBaggage,
  getRun,
  injectEnvelope,
  type Propagation,
  warnOnce,
  withContext,
} from "@botanu/core";
import { activeTracer, type Attributes, createFetch, recordFailure, SpanKind } from "@botanu/tracer";

/** The sending half of a queue's binding; the types of Cloudflare's own fit. */
export interface QueueBinding {
  send(body: never, options?: never): Promise<unknown>;
  sendBatch?(messages: never, options?: never): Promise<unknown>;
}

/** Anything with a `fetch`: a service binding, a Durable Object's stub. */
export interface FetcherBinding {
  fetch(input: never, init?: never): Promise<unknown>;
}

type Send = (input: unknown, options?: unknown) => Promise<unknown>;

/**
 * A queue's `send` and `sendBatch`, each in a producer span. The context goes in the reserved member `_botanu` of a body that is a
 * plain object, which `instrument` takes out again on the other side; other bodies are sent as they are, with one warning.
 *
 * @param name of the queue, which a binding does not tell
 * @param context what to send; default: what is active at the call
 */
export function instrumentQueue<Q extends QueueBinding>(
  binding: Q,
  name: string,
  context?: Context,
): Pick<Q, Extract<keyof Q, "send" | "sendBatch">> {
  const send = binding.send.bind(binding) as Send;
  const sendBatch = binding.sendBatch?.bind(binding) as Send | undefined;
  const queue: Record<string, Send> = {
    send: (body, options) => produce(name, context, {}, (propagation) => send(enveloped(body, propagation), options)),
  };
  if (sendBatch) {
    queue["sendBatch"] = (messages, options) => {
      const list = Array.from(messages as Iterable<{ body: unknown }>);
      return produce(name, context, { "messaging.batch.message_count": list.length }, (propagation) =>
        sendBatch(
          list.map((message) => ({ ...message, body: enveloped(message.body, propagation) })),
          options,
        ),
      );
    };
  }
  return queue as unknown as Pick<Q, Extract<keyof Q, "send" | "sendBatch">>;
}

/**
 * The `fetch` of a service binding or a Durable Object's stub, each call in a client span. What is behind a binding is a part of the
 * application, so the whole context goes along, whatever host the URL names.
 *
 * @param context what to send; default: what is active at the call
 */
export function instrumentFetcher<F extends FetcherBinding>(binding: F, context?: Context): Pick<F, "fetch"> {
  const send = binding.fetch.bind(binding) as unknown as typeof fetch;
  return { fetch: createFetch({ fetch: send, propagateTo: "*", traceTo: "*", context }) } as unknown as Pick<
    F,
    "fetch"
  >;
}

async function produce(
  name: string,
  given: Context | undefined,
  more: Attributes,
  send: (propagation: Propagation) => Promise<unknown>,
): Promise<unknown> {
  const context = given ?? activeContext();
  const tracer = activeTracer(context);
  const attributes = {
    "messaging.system": "cloudflare_queues",
    "messaging.operation.type": "send",
    "messaging.operation.name": "send",
    "messaging.destination.name": name,
    ...more,
  };
  const span = tracer.startSpan(`send ${name}`, { kind: SpanKind.PRODUCER, attributes }, context);
  const active = tracer.contextWith(context, span);
  const propagation = { spanContext: span.spanContext(), run: getRun(context), baggage: getForeignBaggage(context) };
  try {
    return await withContext(active, () => send(propagation));
  } catch (error) {
    recordFailure(span, error, active);
    throw error;
  } finally {
    span.end();
  }
}

function enveloped(body: unknown, propagation: Propagation): unknown {
  const copy = typeof body === "object" && body !== null ? injectEnvelope(body, propagation) : body;
  if (copy === body) warnOnce("queue", "a queue's message is no plain object and carries no run");
  return copy;
}
