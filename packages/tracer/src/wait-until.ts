import type { Invocation } from "./types.ts";

/** The part of a Worker's execution context that keeps work alive after the answer. */
export interface WaitUntil {
  waitUntil(promise: Promise<unknown>): void;
}

const originals = /* @__PURE__ */ new WeakMap<object, WaitUntil["waitUntil"]>();

/**
 * Lets the invocation's flush wait for what the application hands to `waitUntil`, and gives back the host's own. The method is laid
 * over the host's on the object itself, which stays the one that the host made; done again, it is replaced and not wrapped.
 */
export function watchWaitUntil(execution: WaitUntil, invocation: Invocation): WaitUntil["waitUntil"] {
  const original = originals.get(execution) ?? execution.waitUntil.bind(execution);
  originals.set(execution, original);
  try {
    execution.waitUntil = (promise) => {
      invocation.track(promise);
      original(promise);
    };
  } catch {
    // A frozen context: the flush does not wait for the application's own work.
  }
  return original;
}
