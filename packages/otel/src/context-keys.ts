/** Where an untrusted caller's run id waits for the entry span. */
export const UNTRUSTED_RUN_ID_KEY: symbol = Symbol.for("botanu.untrusted.v1");

/** The trace id whose incoming `traceparent` said that it is random: the SDK's own spans lose that flag. */
export const RANDOM_TRACE_KEY: symbol = Symbol.for("botanu.random-trace.v1");

/** Set by the SDK around its own exports (`suppressTracing`): nothing is recorded or sent on there. */
export const SUPPRESS_TRACING_KEY: symbol = Symbol.for("OpenTelemetry SDK Context Key SUPPRESS_TRACING");
