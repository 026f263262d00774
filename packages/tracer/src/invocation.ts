// The buffer of one request. The context carries it, the spans below that context end into it, and it goes when they go.

import type { SpanStore } from "./span.ts";
import type { Clock } from "./time.ts";
import type { Context, Invocation, ReadableSpan } from "./types.ts";

const INVOCATION_KEY: symbol = Symbol.for("botanu.invocation.v1");

/** Ended spans that an invocation holds unless `maxSpans` says otherwise. */
export const DEFAULT_MAX_SPANS = 2048;

/** What an invocation needs of its tracer. */
export interface InvocationOwner {
  readonly now: Clock;
  send(spans: ReadableSpan[]): Promise<void>;
  drop(count: number): void;
  flush(): Promise<void>;
}

/** Counts promises in flight. It holds none of them, so one that never settles costs nothing but its own closure. */
class InFlight {
  #count = 0;
  #waiting: Array<() => void> = [];

  add(promise: PromiseLike<unknown>): void {
    const settle = (): void => {
      if (--this.#count > 0) return;
      for (const resume of this.#waiting.splice(0)) resume();
    };
    this.#count++;
    Promise.resolve(promise).then(settle, settle);
  }

  async settled(): Promise<void> {
    while (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** Waits for a promise, but not longer than `millis`; without them no timer is made. */
async function within(promise: Promise<void>, millis: number | undefined): Promise<void> {
  if (millis === undefined) return promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, millis)));
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

/** See `Invocation`. With `late` set from the start it serves the spans that have no invocation. */
export class SpanInvocation implements Invocation, SpanStore {
  readonly context: Context;
  readonly owner: InvocationOwner;
  readonly #max: number;
  readonly #work = new InFlight();
  readonly #exports = new InFlight();
  #spans: ReadableSpan[] = [];
  #late: boolean;

  constructor(owner: InvocationOwner, parent: Context, max: number, late = false) {
    this.owner = owner;
    this.context = parent.setValue(INVOCATION_KEY, this);
    this.#max = max;
    this.#late = late;
  }

  add(span: ReadableSpan): void {
    if (this.#spans.length >= this.#max) return this.owner.drop(1);
    // Nobody will flush for a span that ends after the flush: the first of a burst takes the others along.
    if (this.#spans.push(span) === 1 && this.#late) this.#exports.add(Promise.resolve().then(() => this.#send()));
  }

  track(promise: PromiseLike<unknown>): void {
    this.#work.add(promise);
  }

  async flush(deadlineMillis?: number): Promise<void> {
    const { now } = this.owner;
    const start = deadlineMillis === undefined ? 0 : now();
    await within(this.#work.settled(), deadlineMillis && deadlineMillis / 2);
    this.#late = true;
    this.#exports.add(Promise.all([this.#send(), this.owner.flush()]));
    await within(this.#exports.settled(), deadlineMillis && deadlineMillis - (now() - start));
  }

  #send(): Promise<void> {
    const spans = this.#spans;
    this.#spans = [];
    return this.owner.send(spans);
  }
}

/** The invocation that a context belongs to. */
export function getInvocation(context: Context): Invocation | undefined {
  return context.getValue(INVOCATION_KEY) as Invocation | undefined;
}
