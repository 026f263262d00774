export {
  registeredWithApi,
  registerWithGlobals,
  type ApiParts,
  type ApiStatus,
  type OpenTelemetryApi,
} from "./api-globals.ts";
export { createContextManager } from "./context-manager.ts";
export { recordClients, type AnySampler } from "./record-clients.ts";
export { contextAttributes, contextRun, STAMPED_BY } from "./run-attributes.ts";
export { RunPropagator, type RunPropagatorOptions } from "./run-propagator.ts";
export { runResource, type RunResourceOptions } from "./run-resource.ts";
export { RunSpanProcessor, type StampedSpan } from "./run-span-processor.ts";
export { createSpanDestination } from "./span-destination.ts";
