// What spans come from. A resource here never waits: detection is the adapter's, and done before it is made.

import type { Attributes, ForeignResource, RawResourceAttribute, Resource } from "./types.ts";

/** The version of this package, as `telemetry.sdk.version` and `telemetry.distro.version`. */
export const VERSION = "0.1.0";

/** A resource of finished attributes. */
export function createResource(attributes: Attributes, schemaUrl?: string): Resource {
  const resource = {
    attributes,
    merge(other: Resource | null): Resource {
      return other ? createResource({ ...attributes, ...other.attributes }, other.schemaUrl ?? schemaUrl) : resource;
    },
    getRawAttributes: () => Object.entries(attributes) as RawResourceAttribute[],
  };
  return schemaUrl === undefined ? resource : Object.assign(resource, { schemaUrl });
}

/**
 * The attributes that say which library made the spans, with `attributes` laid over them.
 *
 * The name `opentelemetry` for `telemetry.sdk.name` is
 * {@link https://opentelemetry.io/docs/specs/semconv/resource/#telemetry-sdk | reserved}; this tracer has its own.
 */
export function defaultResource(attributes: Attributes = {}): Resource {
  return createResource({
    "service.name": "unknown_service",
    "telemetry.sdk.language": "process" in globalThis ? "nodejs" : "webjs",
    "telemetry.sdk.name": "@botanu/tracer",
    "telemetry.sdk.version": VERSION,
    "telemetry.distro.name": "botanu",
    "telemetry.distro.version": VERSION,
    ...attributes,
  });
}

function isResource(value: ForeignResource | Attributes): value is ForeignResource {
  return typeof value.getRawAttributes === "function";
}

/** A finished resource as it is; attributes over the defaults. */
export function resolveResource(given: ForeignResource | Attributes = {}): Resource {
  // Values of a resource from a newer SDK may be of more types than `Attributes` has; exporters drop what they cannot say.
  return isResource(given) ? (given as Resource) : defaultResource(given);
}
