import type { Attributes, BotanuTracer, TracerOptions } from "./types.ts";

/** What runs, and where. */
export interface ServiceOptions {
  /** `service.name`. Default: the variable `OTEL_SERVICE_NAME`. */
  readonly serviceName?: string | undefined;
  /** `service.version`. */
  readonly serviceVersion?: string | undefined;
  /** `service.namespace`. */
  readonly serviceNamespace?: string | undefined;
  /** `deployment.environment.name`, also that of runs started here. Default: the variable `BOTANU_ENVIRONMENT`. */
  readonly environment?: string | undefined;
  /** More resource attributes. */
  readonly resource?: Attributes | undefined;
}

/** What every adapter may be told beside the rules of its entry: who reports, and through what. */
export interface AdapterOptions extends ServiceOptions, Omit<TracerOptions, "resource" | "batch"> {
  /** Reports through this tracer; what is said about the service and the export then is the tracer's business. */
  readonly tracer?: BotanuTracer | undefined;
  /** Answers with `x-botanu-run-id`. Default true. */
  readonly responseHeader?: boolean | undefined;
}

/** Variables of the process, or the bindings of a Worker; only texts count. */
export type Variables = Readonly<Record<string, unknown>>;

/**
 * The resource attributes of a service. For each attribute code wins over variables (`OTEL_SERVICE_NAME` and
 * `BOTANU_ENVIRONMENT`, then `OTEL_RESOURCE_ATTRIBUTES`), and variables over what the host is known to be.
 * @see https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
 */
export function serviceAttributes(
  options: ServiceOptions,
  variables: Variables = {},
  host: Attributes = {},
): Attributes {
  const { OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, BOTANU_ENVIRONMENT } = variables;
  return {
    ...host,
    ...parsePairs(OTEL_RESOURCE_ATTRIBUTES),
    ...defined({ "service.name": OTEL_SERVICE_NAME, "deployment.environment.name": BOTANU_ENVIRONMENT }),
    ...options.resource,
    ...defined({
      "service.name": options.serviceName,
      "service.version": options.serviceVersion,
      "service.namespace": options.serviceNamespace,
      "deployment.environment.name": options.environment,
    }),
  };
}

/** `key=value` pairs with percent-encoding; one that is wrong takes all with it, as the specification says. */
function parsePairs(list: unknown): Attributes {
  const attributes: Attributes = {};
  if (typeof list !== "string") return attributes;
  for (const pair of list.split(",")) {
    const [key = "", value, more] = pair.split("=");
    if (!pair.trim()) continue;
    try {
      if (value === undefined || more !== undefined || !key.trim()) return {};
      attributes[decodeURIComponent(key.trim())] = decodeURIComponent(value.trim());
    } catch {
      return {};
    }
  }
  return attributes;
}

/** Without what is unset or empty. */
function defined(values: Variables): Attributes {
  const entries = Object.entries(values).filter(([, value]) => typeof value === "string" && value !== "");
  return Object.fromEntries(entries) as Attributes;
}
