import { type Attributes, serviceAttributes, type ServiceOptions, type Variables } from "@botanu/tracer";

/**
 * The resource of a function, from the variables that are there in zip files and container images alike.
 * @see https://opentelemetry.io/docs/specs/semconv/resource/faas/
 */
export function lambdaResource(options: ServiceOptions, env: Variables): Attributes {
  const text = (name: string): string | undefined =>
    typeof env[name] === "string" && env[name] ? env[name] : undefined;
  const host: Attributes = { "cloud.provider": "aws", "cloud.platform": "aws_lambda" };
  const put = (key: string, value: string | number | string[] | undefined): void => {
    if (value !== undefined) host[key] = value;
  };
  const memory = Number(text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
  const logGroup = text("AWS_LAMBDA_LOG_GROUP_NAME");
  put("service.name", text("AWS_LAMBDA_FUNCTION_NAME"));
  put("faas.name", text("AWS_LAMBDA_FUNCTION_NAME"));
  put("faas.version", text("AWS_LAMBDA_FUNCTION_VERSION"));
  put("faas.instance", text("AWS_LAMBDA_LOG_STREAM_NAME"));
  put("faas.max_memory", memory > 0 ? memory * 1_048_576 : undefined);
  put("cloud.region", text("AWS_REGION"));
  put("aws.log.group.names", logGroup === undefined ? undefined : [logGroup]);
  return serviceAttributes(options, env, host);
}
