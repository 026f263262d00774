// Which spans are attempts of the same thing, and by which rule that is known.

import { KIND, type StoredSpan, attributeText, endMs, isFailed } from "./stored-span.ts";
import { httpRequest } from "./trace-index.ts";

/**
 * `attribute`: the spans number their attempts themselves. `message`: the same message was delivered again.
 * `siblings`: calls of one parent to one target, one after the other, of which the earlier ones failed.
 */
export type AttemptRule = "attribute" | "message" | "siblings";

/** Attempts of one thing, in order; at least two. */
export interface AttemptGroup {
  readonly rule: AttemptRule;
  readonly spans: readonly StoredSpan[];
}

export const RULE_TEXT: Readonly<Record<AttemptRule, string>> = {
  attribute: "numbered by the caller",
  message: "same message delivered again",
  siblings: "same call again after a failure",
};

/** Attributes that number an attempt, with the number of the first one. */
const NUMBERED: ReadonlyMap<string, number> = new Map([
  ["http.request.resend_count", 0],
  ["botanu.request.attempt", 1],
  ["messaging.gcp_pubsub.message.delivery_attempt", 1],
  ["messaging.servicebus.message.delivery_count", 1],
]);

/**
 * Finds the attempts of a run.
 *
 * @param spans all spans of the run, ordered by start
 * @param parentOf the parent of a span, where it is known
 */
export function findAttempts(
  spans: readonly StoredSpan[],
  parentOf: (span: StoredSpan) => StoredSpan | undefined,
): AttemptGroup[] {
  const taken = new Set<StoredSpan>();
  const groups: AttemptGroup[] = [];
  for (const rule of [numbered, redelivered, repeated]) {
    for (const group of rule(
      spans.filter((span) => !taken.has(span)),
      parentOf,
    )) {
      groups.push(group);
      for (const span of group.spans) taken.add(span);
    }
  }
  return groups.toSorted((a, b) => (a.spans[0]?.startMs ?? 0) - (b.spans[0]?.startMs ?? 0));
}

// Receiving and processing stand close together; a longer look costs more than it can find.
const MAX_ANCESTORS = 16;

type ParentOf = (span: StoredSpan) => StoredSpan | undefined;

function* numbered(spans: readonly StoredSpan[]): Generator<AttemptGroup> {
  const calls = spans.filter((span) => span.kind === KIND.client || span.kind === KIND.consumer);
  for (const same of groupBy(calls, sameCall).values()) {
    if (same.length > 1 && same.some(isNumberedAgain)) yield { rule: "attribute", spans: same };
  }
}

function isNumberedAgain(span: StoredSpan): boolean {
  for (const [name, first] of NUMBERED) if (Number(span.attributes[name] ?? first) > first) return true;
  return false;
}

function* redelivered(spans: readonly StoredSpan[], parentOf: ParentOf): Generator<AttemptGroup> {
  const consumers = spans.filter((span) => span.kind === KIND.consumer && messageOf(span) !== undefined);
  const deliveries = consumers.filter((span) => !isPartOfDelivery(span, parentOf));
  for (const same of groupBy(deliveries, (span) => messageOf(span) ?? "").values()) {
    if (same.length > 1) yield { rule: "message", spans: same };
  }
}

/** True where a span above handles the same delivery: receiving and processing a message are one attempt. */
function isPartOfDelivery(span: StoredSpan, parentOf: ParentOf): boolean {
  const message = messageOf(span);
  const seen = new Set([span]);
  for (let each = parentOf(span); each !== undefined && !seen.has(each); each = parentOf(each)) {
    if (seen.size > MAX_ANCESTORS) return false;
    if (each.service !== span.service) return false;
    if (each.kind === KIND.consumer && messageOf(each) === message) return true;
    seen.add(each);
  }
  return false;
}

function messageOf(span: StoredSpan): string | undefined {
  const id = attributeText(span, "messaging.message.id");
  if (id === undefined) return undefined;
  const subscription = attributeText(span, "messaging.destination.subscription.name", "messaging.consumer.group.name");
  return [span.service, attributeText(span, "messaging.destination.name"), subscription, id].join("\n");
}

function* repeated(spans: readonly StoredSpan[]): Generator<AttemptGroup> {
  const calls = spans.filter((span) => span.kind === KIND.client && span.parentSpanId !== "");
  for (const same of groupBy(calls, sameCall).values()) {
    let attempts: StoredSpan[] = [];
    for (const span of same) {
      const before = attempts.at(-1);
      // Calls side by side are a fan-out. A call that did not fail ends the attempts before the next one.
      if (before !== undefined && (!isFailed(before) || span.startMs < endMs(before))) {
        if (attempts.length > 1) yield { rule: "siblings", spans: attempts };
        attempts = [];
      }
      attempts.push(span);
    }
    if (attempts.length > 1) yield { rule: "siblings", spans: attempts };
  }
}

/** Parent and target: what two attempts of a call have in common. */
function sameCall(span: StoredSpan): string {
  const request = httpRequest(span);
  const target =
    request === undefined
      ? [span.name, attributeText(span, "server.address", "peer.service", "rpc.service", "messaging.message.id")]
      : [request.method, request.host, request.port, request.path];
  return [span.traceId, span.parentSpanId, span.service, span.kind, ...target].join("\n");
}

function groupBy<Item>(items: Iterable<Item>, key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
