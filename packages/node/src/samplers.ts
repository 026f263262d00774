import type * as TraceSdk from "@opentelemetry/sdk-trace-base";
import type { Sampler } from "@opentelemetry/sdk-trace-base";
import { numberOf, textOf, type Environment, type Warn } from "./environment.ts";

type SamplerClasses = Pick<
  typeof TraceSdk,
  "AlwaysOffSampler" | "AlwaysOnSampler" | "ParentBasedSampler" | "TraceIdRatioBasedSampler"
>;

/**
 * The sampler that `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` name; `parentbased_always_on` by default.
 * See {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration}
 */
export function samplerFromEnvironment(env: Environment, sdk: SamplerClasses, warn: Warn): Sampler {
  const name = textOf(env, "OTEL_TRACES_SAMPLER")?.toLowerCase() ?? "parentbased_always_on";
  const roots: Readonly<Record<string, () => Sampler>> = {
    always_on: () => new sdk.AlwaysOnSampler(),
    always_off: () => new sdk.AlwaysOffSampler(),
    traceidratio: () => new sdk.TraceIdRatioBasedSampler(ratio(env, warn)),
  };
  const root = Object.hasOwn(roots, name.replace(/^parentbased_/, ""))
    ? roots[name.replace(/^parentbased_/, "")]
    : undefined;
  if (root === undefined) {
    warn(`OTEL_TRACES_SAMPLER names no sampler of this SDK ("${name}"); parentbased_always_on is used.`);
    return new sdk.ParentBasedSampler({ root: new sdk.AlwaysOnSampler() });
  }
  return name.startsWith("parentbased_") ? new sdk.ParentBasedSampler({ root: root() }) : root();
}

function ratio(env: Environment, warn: Warn): number {
  const given = numberOf(env, "OTEL_TRACES_SAMPLER_ARG", warn);
  if (given === undefined || (given >= 0 && given <= 1)) return given ?? 1;
  warn("OTEL_TRACES_SAMPLER_ARG is not between 0 and 1; 1 is used.");
  return 1;
}
