export * from "./types.ts";
export { createTracer, activeTracer, setTracer, TRACER_KEY } from "./tracer.ts";
export { getInvocation } from "./invocation.ts";
export { getSpan, isSpanContextValid, setSpan, wrapSpanContext } from "./span.ts";
export { alwaysOff, alwaysOn, parentBased, runRatio } from "./samplers.ts";
export type { ParentSamplers } from "./samplers.ts";
export { createResource, defaultResource, VERSION } from "./resource.ts";
