export { type Carrier } from "./carrier.ts";
export {
  BAGGAGE_KEY,
  getForeignBaggage,
  getRun,
  OTEL_BAGGAGE_KEY,
  ROOT_CONTEXT,
  RUN_KEY,
  setForeignBaggage,
  setRun,
  SPAN_KEY,
  type Context,
} from "./context.ts";
export {
  activeContext,
  bindContext,
  installContextStore,
  STORE_KEY,
  withContext,
  type ContextStore,
} from "./context-store.ts";
export {
  createDestinationPolicy,
  type Destination,
  type DestinationOptions,
  type DestinationPolicy,
  type HostRule,
} from "./destination.ts";
export { diag, setDiag, warnOnce, type Diag } from "./diag.ts";
export { extractEnvelope, injectAttributes, injectEnvelope, type MessageAttribute } from "./envelope.ts";
export { BotanuError, type BotanuErrorCode } from "./errors.ts";
export { createSpanId, createTraceId } from "./ids.ts";
export * from "./keys.ts";
export {
  extract,
  inject,
  type Extracted,
  type ExtractOptions,
  type Getter,
  type InjectOptions,
  type Propagation,
  type Setter,
} from "./propagation.ts";
export { createRunId, parseRunId } from "./run-id.ts";
export {
  cancelRun,
  createRetry,
  createRun,
  deadlineSignal,
  remainingMillis,
  runAttributes,
  withStep,
  type RunContext,
  type RunOptions,
} from "./run.ts";
export { isTrusted, type Trust } from "./trust.ts";
export { formatBaggage, parseBaggage, type BaggageMember, type BaggageProperty } from "./w3c/baggage.ts";
export { FLAG_RANDOM, FLAG_SAMPLED, formatTraceparent, parseTraceparent, type SpanContext } from "./w3c/traceparent.ts";
export {
  createTraceState,
  formatTracestate,
  parseTracestate,
  type TraceState,
  type TracestateMember,
} from "./w3c/tracestate.ts";
