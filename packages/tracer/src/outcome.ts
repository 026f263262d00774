import { activeContext, type Context, warnOnce } from "@botanu/core";
import { type Check, checkedValue, isText } from "./checked-value.ts";
import { getScope } from "./failure.ts";
import { getSpan } from "./span.ts";
import type { Attributes, Span } from "./types.ts";

/** What a run was worth. It does not say how the run ended: the run's status does. */
export interface Outcome {
  /** What the amount counts, such as `tickets_resolved` or `revenue_usd`. */
  readonly valueType?: string | undefined;
  readonly valueAmount?: number | undefined;
  /** From 0 to 1. */
  readonly confidence?: number | undefined;
  readonly reason?: string | undefined;
  readonly errorType?: string | undefined;
}

const isAmount: Check = (value) => Number.isFinite(value);
const isShare: Check = (value) => Number.isFinite(value) && (value as number) >= 0 && (value as number) <= 1;

/** Field, name on the wire, check, and whether the event has it too. */
const FIELDS: ReadonlyArray<readonly [keyof Outcome, string, Check, boolean]> = [
  ["valueType", "value_type", isText, true],
  ["valueAmount", "value_amount", isAmount, true],
  ["confidence", "confidence", isShare, false],
  ["reason", "reason", isText, false],
  ["errorType", "error_type", isText, true],
];

/**
 * Puts the outcome on the run span, as attributes `botanu.outcome.*` and an event `botanu.outcome_emitted`; where the run span is in
 * another service, on the active span. A second call overwrites what it names again. Never throws: a value that is no text, no finite
 * number or no confidence is left out, with one warning per field.
 */
export function emitOutcome(outcome: Outcome, context: Context = activeContext()): void {
  const attributes: Attributes = {};
  const event: Attributes = {};
  for (const [field, name, check, inEvent] of FIELDS) {
    const value = checkedValue(outcome, field, check);
    if (value === undefined) continue;
    attributes[`botanu.outcome.${name}`] = value;
    if (inEvent) event[name] = value;
  }
  if (Object.keys(attributes).length === 0) return warnOnce("outcome!", "outcome left out: nothing valid in it");
  runOrActiveSpan(context)?.setAttributes(attributes).addEvent("botanu.outcome_emitted", event);
}

/**
 * Puts ids of the same work in other systems on the run span: `{ zendesk: "4711" }` becomes `botanu.correlation.zendesk_id`. Names
 * are lower-case letters, digits and `_`. Otherwise as {@link emitOutcome}.
 */
export function setCorrelation(ids: Readonly<Record<string, string>>, context: Context = activeContext()): void {
  const attributes: Attributes = {};
  for (const system in ids) {
    const isName = /^[a-z][a-z0-9_]{0,63}$/.test(system);
    if (!isName) warnOnce("correlation!", "correlation left out: not a name");
    const value = isName ? checkedValue(ids, system, isText) : undefined;
    if (value !== undefined) attributes[`botanu.correlation.${system.replace(/_id$/, "")}_id`] = value;
  }
  if (Object.keys(attributes).length > 0) runOrActiveSpan(context)?.setAttributes(attributes);
}

/** The run span that `context` lies below, else the span that is active in it. */
function runOrActiveSpan(context: Context): Span | undefined {
  return getScope(context)?.span ?? getSpan(context);
}
