import { activeContext, bindContext, STORE_KEY, withContext } from "@botanu/core";
import type { Context, ContextManager } from "@opentelemetry/api";

type Listener = ((...args: never[]) => unknown) & { listener?: unknown };
type Method = (this: unknown, event: unknown, listener: Listener) => unknown;

/** The methods of Node's event emitters that take a listener, and those that take it off again. */
const ADDING = ["addListener", "on", "once", "prependListener", "prependOnceListener"];
const REMOVING = ["removeListener", "off"];

const boundEmitters = new WeakSet<object>();

/**
 * An OpenTelemetry context manager over the context store of this project: what runs in a run's context is in the
 * same context for third-party instrumentations, and the other way round. Functions and event emitters can be bound.
 */
export function createContextManager(): ContextManager {
  const manager: ContextManager = {
    active: () => activeContext() as Context,
    with: (context, fn, thisArg, ...args) => withContext(context, () => fn.call(thisArg as never, ...args)),
    bind: (context, target) => bound(context, target),
    enable: () => manager,
    disable: () => manager,
  };
  // The store asks a registered manager first, but not one that would ask the store in turn.
  return Object.assign(manager, { [STORE_KEY]: true });
}

function bound<T>(context: Context, target: T): T {
  if (typeof target === "function") return bindContext(context, target as never) as T;
  if (isEmitter(target)) bindEmitter(context, target);
  return target;
}

function isEmitter(target: unknown): target is Record<string, Method> {
  return (
    typeof target === "object" &&
    target !== null &&
    typeof (target as { on?: unknown }).on === "function" &&
    "removeListener" in target
  );
}

/** Lets listeners that are added from now on run in `context`. The first binding of an emitter holds. */
function bindEmitter(context: Context, emitter: Record<string, Method>): void {
  if (boundEmitters.has(emitter)) return;
  boundEmitters.add(emitter);
  const bindings = new WeakMap<Listener, Listener>();
  const made = new WeakSet<Listener>();
  for (const name of ADDING) {
    patch(emitter, name, (listener) => {
      // `once` adds its own wrapper through `on`: what is inside is bound already.
      if (made.has(listener) || made.has(listener.listener as Listener)) return listener;
      const known = bindings.get(listener);
      if (known !== undefined) return known;
      const binding: Listener = bindContext(context, listener);
      binding.listener = listener;
      bindings.set(listener, binding);
      made.add(binding);
      return binding;
    });
  }
  for (const name of REMOVING) patch(emitter, name, (listener) => bindings.get(listener) ?? listener);
}

function patch(emitter: Record<string, Method>, name: string, change: (listener: Listener) => Listener): void {
  const original = emitter[name];
  if (typeof original !== "function") return;
  emitter[name] = function (this: unknown, event: unknown, listener: Listener): unknown {
    return original.call(this, event, typeof listener === "function" ? change(listener) : listener);
  };
}
