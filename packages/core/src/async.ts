import { installContextStore } from "./context-store.ts";

// Where a host has AsyncLocalStorage only as a module, this is the one place that asks for it. A host without it
// goes on with explicit passing.
try {
  // The cast keeps the type checker from resolving what only some hosts have.
  const { AsyncLocalStorage } = (await import("node:async_hooks" as string)) as {
    AsyncLocalStorage?: Parameters<typeof installContextStore>[0];
  };
  installContextStore(AsyncLocalStorage);
} catch {
  // Nothing to install.
}

export { activeContext, bindContext, withContext } from "./context-store.ts";
