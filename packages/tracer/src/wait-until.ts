import type { Invocation } from "./types.ts";

/**
 * Milliseconds that spans wait for a streamed body or for the application's own work after the answer. A Worker is cut 30 s after
 * its answer, so what is known by then leaves a little earlier.
 */
export const AFTER_ANSWER_MILLIS = 25_000;

/** The part of a Worker's execution context that keeps work alive after the answer. */
export interface WaitUntil {
  waitUntil(promise: Promise<unknown>): void;
}

const ORIGINAL_KEY: unique symbol = /* @__PURE__ */ Symbol.for("botanu.wait-until.v1");

/**
 * Lets the invocation's flush wait for what the application hands to `waitUntil`, and gives back the host's own. The method is laid
 * over the host's on the object itself, which stays the one that the host made; done again, it is replaced and not wrapped.
 */
export function watchWaitUntil(
  execution: WaitUntil & { [ORIGINAL_KEY]?: WaitUntil["waitUntil"] },
  invocation: Invocation,
): WaitUntil["waitUntil"] {
  const original = execution[ORIGINAL_KEY] ?? execution.waitUntil.bind(execution);
  try {
    Object.defineProperty(execution, ORIGINAL_KEY, { value: original });
    execution.waitUntil = (promise) => {
      invocation.track(bounded(promise));
      original(promise);
    };
  } catch {
    // A frozen context: the flush does not wait for the application's own work.
  }
  return original;
}

function bounded(promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, AFTER_ANSWER_MILLIS);
    const settled = (): void => {
      clearTimeout(timer);
      resolve();
    };
    Promise.resolve(promise).then(settled, settled);
  });
}
