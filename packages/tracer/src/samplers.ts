// Samplers: whether a span is recorded and sent. Run context goes on either way.

import { BotanuError, getRun } from "@botanu/core";
import { getSpan, isSpanContextValid } from "./span.ts";
import type { Sampler, SamplingResult } from "./types.ts";

const SAMPLED: SamplingResult = { decision: 2 };
const NOT_SAMPLED: SamplingResult = { decision: 0 };

/** Records and sends every span, whatever its parent was. The default: a run that is not sent is not seen. */
export const alwaysOn: Sampler = {
  shouldSample: () => SAMPLED,
  toString: () => "AlwaysOnSampler",
};

/** Records nothing. */
export const alwaysOff: Sampler = {
  shouldSample: () => NOT_SAMPLED,
  toString: () => "AlwaysOffSampler",
};

// FNV-1a with a final mix: identifiers that differ in one digit fall anywhere.
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

/**
 * Keeps whole runs: the share `ratio` (0 to 1) of all run ids, the same ones in every process that asks. Outside a run
 * the trace id decides, by the
 * {@link https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/ | consistent} rule.
 * Throws `ERR_INVALID_OPTION` on any other number.
 */
export function runRatio(ratio: number): Sampler {
  if (!(ratio >= 0 && ratio <= 1)) throw new BotanuError("ERR_INVALID_OPTION", `ratio ${ratio}: not 0 to 1`);
  return {
    shouldSample(context, traceId) {
      const run = getRun(context);
      const kept = run
        ? hash(run.runId) < ratio * 2 ** 32
        : Number.parseInt(traceId.slice(-14), 16) >= (1 - ratio) * 2 ** 56;
      return kept ? SAMPLED : NOT_SAMPLED;
    },
    toString: () => `RunRatio{${ratio}}`,
  };
}

/** What decides below each kind of parent. */
export interface ParentSamplers {
  readonly remoteParentSampled?: Sampler | undefined;
  readonly remoteParentNotSampled?: Sampler | undefined;
  readonly localParentSampled?: Sampler | undefined;
  readonly localParentNotSampled?: Sampler | undefined;
}

/** Follows the parent's decision; where there is no parent, `root` decides. */
export function parentBased(root: Sampler, parents: ParentSamplers = {}): Sampler {
  return {
    shouldSample(context, traceId, ...rest) {
      const parent = getSpan(context)?.spanContext();
      let sampler = root;
      if (parent && isSpanContextValid(parent)) {
        const sampled = parent.traceFlags & 1;
        const [on, off] = parent.isRemote
          ? [parents.remoteParentSampled, parents.remoteParentNotSampled]
          : [parents.localParentSampled, parents.localParentNotSampled];
        sampler = sampled ? (on ?? alwaysOn) : (off ?? alwaysOff);
      }
      return sampler.shouldSample(context, traceId, ...rest);
    },
    toString: () => `ParentBased{root=${String(root)}}`,
  };
}
