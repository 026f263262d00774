// Batches of a queue: what each message brought along is read once, before the application sees the message.

import { type Context, ENVELOPE_KEY, type Extracted, extractEnvelope, isTrusted, withContext } from "@botanu/core";
import {
  activeTracer,
  type Attributes,
  type Awaitable,
  type BotanuTracer,
  contextOf,
  type Entry,
  type EntryEnd,
  type EntryOptions,
  type Invocation,
  type Link,
  rememberEntry,
  SpanKind,
  startEntry,
} from "@botanu/tracer";
import type { Message, MessageBatch, RetryOptions } from "./platform.ts";

interface Received {
  readonly tracer: BotanuTracer;
  readonly options: EntryOptions<Message>;
  readonly extracted: ReadonlyMap<Message, Extracted>;
}

const FAILED: EntryEnd = { status: "failure" };

const received = /* @__PURE__ */ new WeakMap<MessageBatch, Received>();

/**
 * Starts the span of a batch, linked to the senders of its messages. The run is active in it only if all messages share that run:
 * a batch may mix the runs of many customers.
 */
export function startBatch(
  tracer: BotanuTracer,
  invocation: Invocation,
  batch: MessageBatch,
  options: EntryOptions<Message>,
): Entry | Promise<Entry> {
  const extracted = new Map(batch.messages.map((message) => [message, takeEnvelope(message, options)]));
  received.set(batch, { tracer, options, extracted });
  const runs = Array.from(extracted.values(), ({ run }) => run);
  const run = runs.every((each) => each && each.runId === runs[0]?.runId) ? runs[0] : undefined;
  const links = Array.from(extracted, ([message, { spanContext }]) => linksTo(message, spanContext)).flat();
  const attributes = { ...describe(batch), "messaging.batch.message_count": batch.messages.length };
  return startEntry(tracer, invocation, () => ({ run }), batch, {}, startOf(batch, attributes, links));
}

/**
 * Calls `fn` for each message in turn, each in a consumer span of its own below the batch's, in the run that the message belongs to.
 * A message is acknowledged when `fn` is done and asked for again when it throws, unless `fn` did one or the other itself: one bad
 * message neither stops the others nor brings them back. Resolves when all are settled; what `fn` throws is on the spans.
 *
 * Where the runtime keeps no active context, pass on the one that `fn` is given.
 */
export async function forEachMessage<Body = unknown>(
  batch: MessageBatch<Body>,
  fn: (message: Message<Body>, context: Context) => Awaitable<unknown>,
): Promise<void> {
  const known = received.get(batch);
  for (const message of batch.messages) {
    const entry = await startMessage(batch, message, known);
    rememberEntry(message, entry);
    await settle(entry, message, () => fn(message, entry.context));
  }
}

function startMessage(batch: MessageBatch, message: Message, known: Received | undefined): Entry | Promise<Entry> {
  const { spanContext, ...extracted } = known?.extracted.get(message) ?? takeEnvelope(message, {});
  const attributes = {
    ...describe(batch),
    "messaging.message.id": message.id,
    "messaging.cloudflare.message.attempts": message.attempts,
  };
  const context = contextOf(batch);
  const start = { ...startOf(batch, attributes, linksTo(message, spanContext)), ...(context && { context }) };
  // Below the batch: a delivery belongs to the event that brought it, hours after the message was sent.
  return startEntry(known?.tracer ?? activeTracer(), undefined, () => extracted, message, known?.options ?? {}, start);
}

async function settle(entry: Entry, message: Message, call: () => Awaitable<unknown>): Promise<void> {
  const settled = watchSettlement(message);
  let end: EntryEnd;
  try {
    await withContext(entry.context, call);
    if (!settled.how) message.ack();
    end = settled.how === "retry" ? FAILED : {};
  } catch (error) {
    if (!settled.how) message.retry();
    end = error === undefined ? FAILED : { error };
  }
  entry.span.setAttribute("botanu.message.settlement", settled.how ?? "none");
  entry.end(end);
}

/** Sees which of its methods settles a message first; the runtime takes no second one. */
function watchSettlement(message: Message): { how?: "ack" | "retry" } {
  const settled: { how?: "ack" | "retry" } = {};
  const ack = message.ack.bind(message);
  const retry = message.retry.bind(message);
  message.ack = () => {
    settled.how ??= "ack";
    ack();
  };
  message.retry = (options?: RetryOptions) => {
    settled.how ??= "retry";
    retry(options);
  };
  return settled;
}

/** Reads the envelope and takes it out of the body, which then is what was sent. */
function takeEnvelope(message: Message, options: EntryOptions<Message>): Extracted {
  const { body } = message;
  const extracted = extractEnvelope(body, { trust: isTrusted(options.trust, message, true) });
  if (typeof body === "object" && body !== null) Reflect.deleteProperty(body, ENVELOPE_KEY);
  return extracted;
}

function describe(batch: MessageBatch): Attributes {
  return {
    "messaging.system": "cloudflare_queues",
    "messaging.operation.type": "process",
    "messaging.operation.name": "process",
    "messaging.destination.name": batch.queue,
  };
}

function linksTo(message: Message, context: Extracted["spanContext"]): Link[] {
  return context ? [{ context, attributes: { "messaging.message.id": message.id } }] : [];
}

function startOf(batch: MessageBatch, attributes: Attributes, links: Link[]): Parameters<typeof startEntry>[5] {
  return { name: `process ${batch.queue}`, kind: SpanKind.CONSUMER, attributes, links };
}
