// What spans come from. A resource here never waits: detection is the adapter's, and done before it is made.

import type { Attributes, ForeignResource, RawResourceAttribute, Resource } from "./types.ts";

/** The version of this package: `telemetry.sdk.version` and `telemetry.distro.version`. */
export const VERSION = "0.1.0";

/** A resource of finished attributes. */
export function createResource(attributes: Attributes): Resource {
  return {
    attributes,
    merge: (other) => createResource({ ...attributes, ...other?.attributes }),
    getRawAttributes: () => Object.entries(attributes) as RawResourceAttribute[],
  };
}

/**
 * A resource that says which library made the spans, with `attributes` laid over.
 *
 * The name `opentelemetry` for `telemetry.sdk.name` is
 * {@link https://opentelemetry.io/docs/specs/semconv/resource/#telemetry-sdk | reserved}; this tracer has its own.
 */
export function defaultResource(attributes?: Attributes): Resource {
  return createResource({
    "service.name": "unknown_service",
    "telemetry.sdk.language": "process" in globalThis ? "nodejs" : "webjs",
    "telemetry.sdk.name": "botanu",
    "telemetry.sdk.version": VERSION,
    "telemetry.distro.name": "botanu",
    "telemetry.distro.version": VERSION,
    ...attributes,
  });
}

/** A finished resource as it is; attributes over the defaults. */
export function resolveResource(given: ForeignResource | Attributes | undefined): Resource {
  // Values of a newer SDK's resource may be of more types than ours: exporters leave out what they cannot say.
  return (typeof given?.getRawAttributes === "function" ? given : defaultResource(given as Attributes)) as Resource;
}
