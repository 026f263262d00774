export { botanuHandler, type LambdaHandler, type LambdaOptions } from "./handler.ts";
export { forEachRecord, type BatchResponse, type RecordOptions } from "./batch.ts";
export { extensionReady, type FlushStrategy } from "./flush.ts";
export type { Json, LambdaContext } from "./platform.ts";
export { botanuFetch as outgoingFetch, contextOf, createFetch } from "@botanu/tracer";
export { injectAws, type AwsClient } from "./aws-client.ts";
