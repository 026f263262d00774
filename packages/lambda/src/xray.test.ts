import { afterEach, describe, expect, it } from "vitest";
import { executionRunId } from "./execution.ts";
import { invocationAttributes } from "./invocation-attributes.ts";
import { lambdaResource } from "./resource.ts";
import { invocationXRay, parseXRayHeader } from "./xray.ts";

const HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const PARSED = {
  traceId: "5759e988bd862e3fe1be46a994272793",
  spanId: "53995c3f42cd8ad8",
  traceFlags: 1,
  isRemote: true,
};

describe("an X-Ray header", () => {
  it.each([
    [HEADER, PARSED],
    [`Self=1-1-1;${HEADER};Lineage=a:1|b:2`, PARSED],
    [HEADER.replace("Sampled=1", "Sampled=0"), { ...PARSED, traceFlags: 0 }],
    [HEADER.replace(";Sampled=1", ""), PARSED],
  ])("is read: %s", (header, expected) => {
    expect(parseXRayHeader(header)).toEqual(expected);
  });

  it.each([
    undefined,
    7,
    "",
    "Root=1-5759e988-bd862e3fe1be46a994272793",
    HEADER.replace("5399", "zzzz"),
    `${HEADER};${"x".repeat(600)}`,
  ])("that is malformed is none: %s", (header) => {
    expect(parseXRayHeader(header)).toBeUndefined();
  });

  afterEach(() => {
    delete process.env["_X_AMZN_TRACE_ID"];
  });
  it("is that of the context before that of the process", () => {
    process.env["_X_AMZN_TRACE_ID"] = HEADER.replace("5399", "0000");
    expect(invocationXRay({ xRayTraceId: HEADER })).toEqual(PARSED);
    expect(invocationXRay(undefined)?.spanId).toBe("00005c3f42cd8ad8");
  });
});

describe("the run id of an execution", () => {
  it("is the same each time, and another one for another execution", () => {
    const id = (arn: string): string | undefined => executionRunId({ DurableExecutionArn: arn });
    expect(id("arn:a")).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(id("arn:a")).toBe(id("arn:a"));
    expect(id("arn:a")).not.toBe(id("arn:b"));
  });

  it.each([{}, null, { DurableExecutionArn: 7 }, { DurableExecutionArn: "mine" }, { Execution: "x" }])(
    "is none without one: %j",
    (event) => {
      expect(executionRunId(event)).toBeUndefined();
    },
  );
});

describe("what an invocation says of itself", () => {
  const arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders";
  it.each([
    [arn, arn],
    [`${arn}:live`, `${arn}:7`],
    [`${arn}:$LATEST`, `${arn}:7`],
  ])("of %s is the resource %s", (invokedFunctionArn, resource) => {
    const attributes = invocationAttributes({ invokedFunctionArn, functionVersion: "7" }, "http", true);
    expect(attributes).toMatchObject({ "cloud.resource_id": resource, "aws.lambda.invoked_arn": invokedFunctionArn });
  });

  it("is little without a context", () => {
    expect(invocationAttributes(undefined, "other", false)).toEqual({
      "faas.trigger": "other",
      "faas.coldstart": false,
    });
  });
});

describe("the resource", () => {
  it("is known in a container image too, which has no AWS_EXECUTION_ENV", () => {
    const env = {
      AWS_LAMBDA_FUNCTION_NAME: "orders",
      AWS_REGION: "eu-central-1",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
    };
    expect(lambdaResource({}, env)).toEqual({
      "cloud.provider": "aws",
      "cloud.platform": "aws_lambda",
      "cloud.region": "eu-central-1",
      "service.name": "orders",
      "faas.name": "orders",
      "faas.max_memory": 134_217_728,
    });
  });

  it("is overruled by OTEL variables, and these by code", () => {
    const env = { AWS_LAMBDA_FUNCTION_NAME: "orders", OTEL_SERVICE_NAME: "shop" };
    expect(lambdaResource({}, env)["service.name"]).toBe("shop");
    expect(lambdaResource({ serviceName: "mine" }, env)["service.name"]).toBe("mine");
  });
});
