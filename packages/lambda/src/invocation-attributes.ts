import type { Attributes } from "@botanu/tracer";
import type { LambdaContext } from "./platform.ts";

/** After this long between the start of the environment and its first event it was started ahead of need. */
const PROACTIVE_MILLIS = 10_000;

let isFirst = true;

/** Whether an event waited for the environment to start. True once per process at most. */
export function takeColdStart(env: NodeJS.ProcessEnv = process.env): boolean {
  const cold = isFirst && env["AWS_LAMBDA_INITIALIZATION_TYPE"] !== "provisioned-concurrency";
  isFirst = false;
  return cold && performance.now() < PROACTIVE_MILLIS;
}

/**
 * What every invocation says of itself.
 * @see https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/
 */
export function invocationAttributes(context: LambdaContext | undefined, trigger: string, cold: boolean): Attributes {
  const attributes: Attributes = { "faas.trigger": trigger, "faas.coldstart": cold };
  const { awsRequestId, invokedFunctionArn, functionVersion } = context ?? {};
  if (awsRequestId) attributes["faas.invocation_id"] = awsRequestId;
  if (!invokedFunctionArn) return attributes;
  attributes["aws.lambda.invoked_arn"] = invokedFunctionArn;
  const parts = invokedFunctionArn.split(":");
  if (parts[4]) attributes["cloud.account.id"] = parts[4];
  // An alias may move: the resource is the version that it led to.
  attributes["cloud.resource_id"] = [
    ...parts.slice(0, 7),
    ...(parts.length > 7 && functionVersion ? [functionVersion] : []),
  ].join(":");
  return attributes;
}
