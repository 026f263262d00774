export { forEachMessage } from "./batch.ts";
export { instrumentFetcher, instrumentQueue, type FetcherBinding, type QueueBinding } from "./bindings.ts";
export { instrument, type HandlerName, type InstrumentedHandlers, type WorkerOptions } from "./instrument.ts";
export type {
  ExecutionContext,
  Message,
  MessageBatch,
  RetryOptions,
  ScheduledController,
  WorkerHandler,
} from "./platform.ts";
export { botanuFetch as outgoingFetch, contextOf, createFetch } from "@botanu/tracer";
