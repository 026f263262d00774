import type { SpanContext } from "@botanu/core";

/**
 * The span context in an X-Ray trace header, `Root=1-8hex-24hex;Parent=16hex;Sampled=1`; other fields are ignored.
 * @see https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
 */
export function parseXRayHeader(header: unknown): SpanContext | undefined {
  if (typeof header !== "string" || header.length > 512) return undefined;
  const root = /(?:^|;)\s*Root=1-([\da-f]{8})-([\da-f]{24})(?:;|$)/i.exec(header);
  const parent = /(?:^|;)\s*Parent=([\da-f]{16})(?:;|$)/i.exec(header)?.[1];
  if (!root || !parent || /^0+$/.test(parent)) return undefined;
  const traceFlags = /(?:^|;)\s*Sampled=0(?:;|$)/.test(header) ? 0 : 1;
  return { traceId: `${root[1]}${root[2]}`.toLowerCase(), spanId: parent.toLowerCase(), traceFlags, isRemote: true };
}

interface Host {
  readonly awslambda?: { readonly InvokeStore?: { getXRayTraceId?(): unknown } };
}

/** The trace header of the invocation: from its context, where several run at once, else from the variable. */
export function invocationXRay(context: { readonly xRayTraceId?: unknown } | undefined): SpanContext | undefined {
  const { awslambda } = globalThis as Host;
  return parseXRayHeader(
    context?.xRayTraceId ?? awslambda?.InvokeStore?.getXRayTraceId?.() ?? process.env["_X_AMZN_TRACE_ID"],
  );
}
