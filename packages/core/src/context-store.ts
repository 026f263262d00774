import { ROOT_CONTEXT, type Context } from "./context.ts";

/** What is kept between asynchronous steps: an AsyncLocalStorage, or what behaves like one. */
export interface ContextStore {
  getStore(): Context | undefined;
  run<R>(context: Context, fn: () => R): R;
}

/** The part of an OpenTelemetry context manager that is used here. */
interface ContextManager {
  active(): Context;
  with<R>(context: Context, fn: () => R): R;
}

type StoreConstructor = new () => ContextStore;

interface Host {
  [key: symbol]: unknown;
  AsyncLocalStorage?: StoreConstructor;
  process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage?: StoreConstructor } | undefined };
}

/**
 * Global name of the store, shared by every copy of this module in a process. A context manager that is registered
 * with OpenTelemetry and itself stands on the store carries a true property of this name, so that it is not asked
 * in turn.
 */
export const STORE_KEY: symbol = /* @__PURE__ */ Symbol.for("botanu.context.v1");

const OTEL_API = /* @__PURE__ */ Symbol.for("opentelemetry.js.api.1");
const host = globalThis as unknown as Host;

/** Makes the one store of the process, unless there is one. */
export function installContextStore(Store: StoreConstructor | undefined): ContextStore | undefined {
  if (Store) host[STORE_KEY] ??= new Store();
  return host[STORE_KEY] as ContextStore | undefined;
}

function contextStore(): ContextStore | undefined {
  return (
    (host[STORE_KEY] as ContextStore | undefined) ??
    installContextStore(host.AsyncLocalStorage ?? host.process?.getBuiltinModule?.("async_hooks")?.AsyncLocalStorage)
  );
}

function contextManager(): ContextManager | undefined {
  const manager = (host[OTEL_API] as { context?: ContextManager & { [key: symbol]: unknown } } | undefined)?.context;
  return manager?.[STORE_KEY] ? undefined : manager;
}

/** The context that is active here: the OpenTelemetry one where a context manager is registered, else our own. */
export function activeContext(): Context {
  return contextManager()?.active() ?? contextStore()?.getStore() ?? ROOT_CONTEXT;
}

/** Calls a function with a context active in it and in what it starts. Without any store it only calls the function. */
export function withContext<R>(context: Context, fn: () => R): R {
  const manager = contextManager();
  if (manager) return manager.with(context, fn);
  const store = contextStore();
  return store ? store.run(context, fn) : fn();
}

/** A function that runs with a context active whenever it is called; `this` and arguments pass through. */
export function bindContext<F extends (...args: never[]) => unknown>(context: Context, fn: F): F {
  return function (this: unknown, ...args: never[]) {
    return withContext(context, () => fn.apply(this, args));
  } as F;
}
