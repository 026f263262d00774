import { UNTRUSTED_RUN_ID, warnOnce } from "@botanu/core";
import type { Context } from "@opentelemetry/api";
import { contextAttributes } from "./run-attributes.ts";
import { UNTRUSTED_RUN_ID_KEY } from "./context-keys.ts";

/** What the processor needs of a span, in every line of the SDK. */
export interface StampedSpan {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly parentSpanContext?: { readonly isRemote?: boolean | undefined } | undefined;
  setAttribute(key: string, value: string): unknown;
}

/**
 * Stamps the run on every span as it starts: `botanu.run_id`, `botanu.workflow`, `botanu.event_id`,
 * `botanu.customer_id`, `botanu.environment`, `botanu.tenant_id`, `botanu.parent_run_id` and `botanu.step`, those
 * that the run has. It reads the parent context, so the span's own parent may be local, remote or missing.
 *
 * An attribute that the span has already is left as it is. Put the processor in front of the exporting one. It never
 * throws, keeps no spans, and works with `@opentelemetry/sdk-trace-base` 2 and `@opentelemetry/sdk-trace` 2 and 3.
 */
export class RunSpanProcessor {
  onStart(span: StampedSpan, parentContext: Context): void {
    try {
      stamp(span, contextAttributes(parentContext));
      stampUntrusted(span, parentContext);
    } catch (error) {
      warnOnce("run-span-processor", `A span was not stamped with its run: ${String(error)}`);
    }
  }

  onEnd(): void {}

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

function stamp(span: StampedSpan, attributes: Readonly<Record<string, string>> | undefined): void {
  if (attributes === undefined) return;
  const present = span.attributes;
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined && present[key] === undefined) span.setAttribute(key, value);
  }
}

/** An untrusted caller's run id is a fact about the entry span only. */
function stampUntrusted(span: StampedSpan, context: Context): void {
  const runId = context.getValue(UNTRUSTED_RUN_ID_KEY);
  if (typeof runId !== "string") return;
  const parent = span.parentSpanContext;
  if (parent === undefined || parent.isRemote === true) stamp(span, { [UNTRUSTED_RUN_ID]: runId });
}
