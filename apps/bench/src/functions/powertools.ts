// Powertools for AWS Lambda with its tracer, which writes to X-Ray's daemon.

import { Tracer } from "@aws-lambda-powertools/tracer";
import { captureLambdaHandler } from "@aws-lambda-powertools/tracer/middleware";
import middy from "@middy/core";

const tracer = new Tracer({ serviceName: "bench" });

export const handler = middy(async (event: unknown): Promise<unknown> => ({ event })).use(captureLambdaHandler(tracer));
