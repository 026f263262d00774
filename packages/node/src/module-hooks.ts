import Module, { register } from "node:module";
import { pathToFileURL } from "node:url";
import { requireOf, resolveOf } from "./otel-modules.ts";

const HOOKS_OWNER = "@opentelemetry/instrumentation";

/** The npm package that a specifier, path or file URL names; nothing for relative paths and builtin modules. */
export function packageOf(specifier: string): string | undefined {
  const inside = specifier.replaceAll("\\", "/").lastIndexOf("/node_modules/");
  const text = inside === -1 ? specifier : specifier.slice(inside + "/node_modules/".length);
  if (inside === -1 && /^(\.|\/|[a-z]+:)/i.test(text)) return undefined;
  const [first = "", second] = text.split(/[\\/]/, 2);
  return first.startsWith("@") && second !== undefined ? `${first}/${second}` : first;
}

/** Calls `onPackage` before any `require` of an npm package. What it throws goes no further. */
export function watchRequire(onPackage: (name: string) => void): void {
  const prototype = Module.prototype as { require: (this: unknown, id: string) => unknown };
  const original = prototype.require;
  prototype.require = function require(this: unknown, id: string): unknown {
    if (typeof id === "string" && !id.startsWith(".")) notify(onPackage, id);
    return original.call(this, id);
  };
}

function notify(onPackage: (name: string) => void, specifier: string): boolean {
  try {
    const name = packageOf(specifier);
    if (name !== undefined) onPackage(name);
    return name !== undefined;
  } catch {
    // The application's own require must go on.
    return false;
  }
}

interface SyncHooks {
  supportsSyncHooks(): boolean;
  register(options: { shouldInclude: (url: string, specifier: string) => boolean }): void;
}

/** Whether this Node can hook `import` on the application's own thread. */
export function supportsSyncImportHooks(): boolean {
  return requireOf<Pick<SyncHooks, "supportsSyncHooks">>(
    HOOKS_OWNER,
    "import-in-the-middle/supports-sync-hooks.mjs",
  ).supportsSyncHooks();
}

/**
 * Lets instrumentations patch what is imported, and calls `onPackage` before a package of `wanted` is loaded. Only
 * imports of those packages are wrapped. Needs `supportsSyncImportHooks`.
 */
export function watchImport(wanted: ReadonlySet<string>, onPackage: (name: string) => void): void {
  requireOf<SyncHooks>(HOOKS_OWNER, "import-in-the-middle/register-hooks.mjs").register({
    shouldInclude: (_url, specifier) => {
      const name = packageOf(specifier);
      return name !== undefined && wanted.has(name) && notify(onPackage, specifier);
    },
  });
}

/**
 * The same for a Node that hooks `import` only from a thread of its own: that thread cannot call back, so the
 * instrumentations have to be there already, and `files` are their patterns for inner files of packages.
 */
export function hookImportFromThread(wanted: ReadonlySet<string>, files: readonly RegExp[]): void {
  const hook = pathToFileURL(resolveOf(HOOKS_OWNER, "import-in-the-middle/hook.mjs"));
  register(hook, { data: { include: [...wanted, ...files] } });
}
