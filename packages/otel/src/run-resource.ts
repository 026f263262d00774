import { createResource, VERSION, type Attributes, type Resource } from "@botanu/tracer";

/** What runs, and where. Each falls back to its variable; see `runResource`. */
export interface RunResourceOptions {
  readonly serviceName?: string | undefined;
  readonly serviceVersion?: string | undefined;
  readonly serviceNamespace?: string | undefined;
  /** `production`, …: `deployment.environment.name`, the same value that runs started here carry. */
  readonly environment?: string | undefined;
  /** More attributes; they win over those of variables. */
  readonly attributes?: Attributes | undefined;
  /** Default: the process environment, where the runtime has one. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Hears of a variable that cannot be read. */
  readonly warn?: ((message: string) => void) | undefined;
}

/**
 * The resource of a service, for any line of the SDK: `service.*`, `deployment.environment.name` and
 * `telemetry.distro.*`. For every attribute code wins over variables: `OTEL_SERVICE_NAME`, `BOTANU_ENVIRONMENT`, then
 * `OTEL_RESOURCE_ATTRIBUTES`. The SDK's own `telemetry.sdk.*` are left to the SDK: merge this one into its default.
 *
 * See {@link https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable}
 */
export function runResource(options: RunResourceOptions = {}): Resource {
  const env = options.env ?? processEnvironment();
  const variables = parseResourceAttributes(env["OTEL_RESOURCE_ATTRIBUTES"] ?? "");
  if (variables === undefined) options.warn?.("OTEL_RESOURCE_ATTRIBUTES is malformed and was ignored as a whole.");
  return createResource({
    ...variables,
    ...defined({ "service.name": env["OTEL_SERVICE_NAME"], "deployment.environment.name": env["BOTANU_ENVIRONMENT"] }),
    ...options.attributes,
    ...defined({
      "service.name": options.serviceName,
      "service.version": options.serviceVersion,
      "service.namespace": options.serviceNamespace,
      "deployment.environment.name": options.environment,
    }),
    "telemetry.distro.name": "botanu",
    "telemetry.distro.version": VERSION,
  });
}

/** `key=value` pairs with percent-encoded commas and equals signs; nothing at all when one of them is wrong. */
function parseResourceAttributes(text: string): Record<string, string> | undefined {
  const attributes: Array<[string, string]> = [];
  for (const pair of text.split(",")) {
    if (pair.trim() === "") continue;
    const [key = "", value, ...rest] = pair.split("=").map((part) => decoded(part.trim()));
    if (!key || value === undefined || rest.length > 0) return undefined;
    attributes.push([key, value]);
  }
  return Object.fromEntries(attributes);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Without what is unset or empty. */
function defined(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
}
