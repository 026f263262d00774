// The buffer of one request. The context carries it, the spans below that context end into it, and it goes when they go.

import type { SpanStore } from "./span.ts";
import type { Clock } from "./time.ts";
import type { Context, Invocation, ReadableSpan } from "./types.ts";

const INVOCATION_KEY: symbol = /* @__PURE__ */ Symbol.for("botanu.invocation.v1");

/** What an invocation needs of its tracer. */
export interface InvocationOwner {
  readonly now: Clock;
  send(spans: ReadableSpan[]): Promise<void>;
  drop(count: number): void;
  /** Flushes the processors; undefined when there are none. */
  flush(): Promise<unknown> | undefined;
}

/** Promises to wait for, of which only the last is held. */
class Chain {
  #last: Promise<unknown> | undefined;

  add(promise: PromiseLike<unknown> | undefined): void {
    const last = this.#last;
    // Without the values, which would pile up.
    this.#last = Promise.resolve(promise).then(
      () => last,
      () => last,
    );
  }

  /** Waits for all promises, those too that are added meanwhile. Makes no timer without `millis`. */
  async settled(millis?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const limit =
      millis === undefined
        ? undefined
        : new Promise<void>((resolve) => {
            timer = setTimeout(() => resolve(void (over = true)), millis);
          });
    for (let seen; seen !== this.#last && !over;) {
      seen = this.#last;
      await (limit ? Promise.race([seen, limit]) : seen);
    }
    clearTimeout(timer);
  }
}

/** See `Invocation`. Made `late`, it serves the spans of no invocation. */
export class SpanInvocation implements Invocation, SpanStore {
  readonly context: Context;
  readonly owner: InvocationOwner;
  readonly #max: number;
  readonly #work = new Chain();
  readonly #exports = new Chain();
  readonly #spans: ReadableSpan[] = [];
  #late: boolean;

  constructor(owner: InvocationOwner, parent: Context, max: number, late = false) {
    this.owner = owner;
    this.context = parent.setValue(INVOCATION_KEY, this);
    this.#max = max;
    this.#late = late;
  }

  add(span: ReadableSpan): void {
    if (this.#spans.length >= this.#max) this.owner.drop(1);
    // Nobody flushes for a span that ends after the flush: the first of a burst takes the others along.
    else if (this.#spans.push(span) === 1 && this.#late) {
      this.#exports.add(Promise.resolve().then(() => this.owner.send(this.#spans.splice(0))));
    }
  }

  track(promise: PromiseLike<unknown>): void {
    this.#work.add(promise);
  }

  async flush(deadlineMillis?: number): Promise<void> {
    const { now } = this.owner;
    const end = deadlineMillis && now() + deadlineMillis;
    await this.#work.settled(deadlineMillis && deadlineMillis / 2);
    this.#late = true;
    this.#exports.add(this.owner.send(this.#spans.splice(0)));
    const flushed = this.owner.flush();
    if (flushed) this.#exports.add(flushed);
    await this.#exports.settled(end && end - now());
  }
}

/** The invocation that a context belongs to. */
export function getInvocation(context: Context): Invocation | undefined {
  return context.getValue(INVOCATION_KEY) as Invocation | undefined;
}
