import { createRequire } from "node:module";

// The OpenTelemetry packages are CommonJS. Requiring them one by one, when they are needed, starts a process several
// times faster than importing the packages that pull in all others.
const fromHere = createRequire(import.meta.url);

/** Requires one of this package's own dependencies. */
export function requireOwn<T>(name: string): T {
  return fromHere(name) as T;
}

/** Requires a package that one of our dependencies depends on. */
export function requireOf<T>(owner: string, name: string): T {
  return createRequire(fromHere.resolve(owner))(name) as T;
}

/** The file that `requireOf` would load. */
export function resolveOf(owner: string, name: string): string {
  return createRequire(fromHere.resolve(owner)).resolve(name);
}

/** The package that owns all instrumentations. */
export const INSTRUMENTATIONS = "@opentelemetry/auto-instrumentations-node";

/** The package that owns the exporters and propagators we do not speak ourselves. */
export const SDK = "@opentelemetry/sdk-node";
