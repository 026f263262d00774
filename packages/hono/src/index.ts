import { activeContext } from "@botanu/core";
import type { OtlpExporterOptions } from "@botanu/otlp";
import { otlpOptionsFromEnv } from "@botanu/otlp/env";
import { batchSpans, createHostTracer, hostProvider, hostSpan, setHostRoute, type Variables } from "@botanu/tracer";
import { diag } from "@botanu/core";
import { type Botanu, createBotanu } from "./middleware.ts";

export type { Botanu, BotanuEnv, BotanuOptions } from "./middleware.ts";

/**
 * Middleware that takes each request in as an entry point (with `workflow`) or as a hop, makes its server span and run span, and
 * reports them. Register it first. Beside a registered OpenTelemetry provider it makes no second server span.
 *
 * @throws BotanuError ERR_INVALID_OPTION, and what the exporter throws, for options that cannot be meant.
 */
export const botanu: Botanu = /* @__PURE__ */ createBotanu({
  variables: () => (globalThis as { process?: { env?: Variables } }).process?.env ?? {},
  tracerOptions: { batch: (sink) => batchSpans()(sink) },
  exporterOptions: withEnvironment,
  hostTracer(options) {
    const provider = hostProvider();
    return provider && createHostTracer(provider, options);
  },
  hostStart() {
    const context = hostProvider() && activeContext();
    return context && { context, span: hostSpan(context) };
  },
  setHostRoute,
});

/** Code wins over variables, an endpoint in code over a URL in a variable too. */
function withEnvironment(options: OtlpExporterOptions, variables: Variables): OtlpExporterOptions {
  const texts = Object.entries(variables).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  const { url, endpoint, ...rest } = otlpOptionsFromEnv(Object.fromEntries(texts), (message) => diag().warn(message));
  const target = (options.url ?? options.endpoint) ? undefined : { url, endpoint };
  return { ...rest, ...target, ...options };
}
