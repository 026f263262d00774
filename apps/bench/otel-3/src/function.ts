// NodeSDK of the 3.x line with the Lambda instrumentation in a function's own bundle, and a span by hand, as in its documentation.

import { trace } from "@opentelemetry/api";
import { AwsLambdaInstrumentation } from "@opentelemetry/instrumentation-aws-lambda";
import { NodeSDK } from "@opentelemetry/sdk-node";

new NodeSDK({ instrumentations: [new AwsLambdaInstrumentation()] }).start();

export const handler = async (event: unknown): Promise<unknown> =>
  trace.getTracer("bench").startActiveSpan("order", (span) => {
    span.end();
    return Promise.resolve({ event });
  });
