// What the Workers adapter uses of core, kept alive by exporting it.

export {
  activeContext,
  createDestinationPolicy,
  createRun,
  createSpanId,
  createTraceId,
  extract,
  extractEnvelope,
  inject,
  injectEnvelope,
  isTrusted,
  runAttributes,
  withContext,
} from "@botanu/core";
