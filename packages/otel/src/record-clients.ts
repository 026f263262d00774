import type { Attributes, Context, Link } from "@opentelemetry/api";

/** The part of a sampler that every line of the SDK shares. */
export interface AnySampler {
  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: number,
    attributes: Attributes,
    links: Link[],
  ): { decision: number };
  toString(): string;
}

const CLIENT = 2;
const NOT_RECORD = 0;
const RECORD = 1;

/**
 * Lets client spans that `sampler` drops record without being sampled: nothing more is exported, but the span knows its
 * destination, and `createSpanDestination` needs that to guard the request of an unsampled trace.
 */
export function recordClients<S extends AnySampler>(sampler: S): S {
  const wrapped: AnySampler = {
    shouldSample(...call) {
      const result = sampler.shouldSample(...call);
      const [, , , kind] = call;
      return kind === CLIENT && result.decision === NOT_RECORD ? { ...result, decision: RECORD } : result;
    },
    toString: () => sampler.toString(),
  };
  return wrapped as S;
}
