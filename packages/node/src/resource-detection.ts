import { runResource, type RunResourceOptions } from "@botanu/otel";
import type * as ResourcesModule from "@opentelemetry/resources";
import type { Resource, ResourceDetector } from "@opentelemetry/resources";
import { listOf, type Environment, type Warn } from "./environment.ts";
import { INSTRUMENTATIONS, requireOf } from "./otel-modules.ts";

type Resources = typeof ResourcesModule;

/** Detectors of their own packages, and the names under which those export them. */
const PACKAGED: Readonly<Record<string, readonly [string, ...string[]]>> = {
  container: ["container", "containerDetector"],
  alibaba: ["alibaba-cloud", "alibabaCloudEcsDetector"],
  aws: ["aws", "awsEc2Detector", "awsEcsDetector", "awsEksDetector", "awsBeanstalkDetector", "awsLambdaDetector"],
  azure: ["azure", "azureAppServiceDetector", "azureFunctionsDetector", "azureVmDetector"],
  gcp: ["gcp", "gcpDetector"],
};

/**
 * The resource of this process: the SDK's default, what `OTEL_NODE_RESOURCE_DETECTORS` finds, then code and variables.
 *
 * By default `env`, `host` and `process` are asked, which need no network: the cloud detectors of the stock set probe
 * for metadata servers and hold the first export until they have timed out.
 */
export function detectResource(
  resources: Resources,
  options: RunResourceOptions,
  env: Environment,
  warn: Warn,
): Resource {
  const names = listOf(env, "OTEL_NODE_RESOURCE_DETECTORS") ?? ["env", "host", "process"];
  const detectors = names.includes("none")
    ? []
    : wanted(names, resources).flatMap((name) => detectorsOf(name, resources, warn));
  return resources
    .defaultResource()
    .merge(resources.detectResources({ detectors }))
    .merge(runResource({ ...options, env, warn }) as Resource);
}

function wanted(names: readonly string[], resources: Resources): readonly string[] {
  return names.includes("all") ? [...Object.keys(builtin(resources)), ...Object.keys(PACKAGED)] : names;
}

/** `env` is read by `runResource`, whatever the list says. */
function builtin(resources: Resources): Record<string, readonly ResourceDetector[]> {
  return {
    env: [],
    host: [resources.hostDetector],
    os: [resources.osDetector],
    process: [resources.processDetector],
    serviceinstance: [resources.serviceInstanceIdDetector],
  };
}

function detectorsOf(name: string, resources: Resources, warn: Warn): readonly ResourceDetector[] {
  const own = builtin(resources);
  if (Object.hasOwn(own, name)) return own[name] ?? [];
  const [packageName, ...exported] = Object.hasOwn(PACKAGED, name) ? (PACKAGED[name] ?? []) : [];
  if (packageName === undefined) {
    warn(`OTEL_NODE_RESOURCE_DETECTORS names no detector ("${name}"); it was left out.`);
    return [];
  }
  const exports = requireOf<Record<string, ResourceDetector>>(
    INSTRUMENTATIONS,
    `@opentelemetry/resource-detector-${packageName}`,
  );
  return exported.flatMap((each) => exports[each] ?? []);
}
