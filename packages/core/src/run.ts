import { warnOnce, type Diag } from "./diag.ts";
import { BotanuError } from "./errors.ts";
import { RUN_KEYS } from "./keys.ts";
import { createRunId, parseRunId } from "./run-id.ts";

/** One execution of a workflow, as it travels. Immutable. */
export interface RunContext {
  /** UUID of the run. */
  readonly runId: string;
  /** Low-cardinality name of the workflow. */
  readonly workflow: string;
  /** Id of the business transaction; retries share it. */
  readonly eventId?: string | undefined;
  readonly customerId?: string | undefined;
  /** `production`, …; `unknown` when nobody said. */
  readonly environment: string;
  readonly tenantId?: string | undefined;
  /** The run in which this one is nested. */
  readonly parentRunId?: string | undefined;
  /** First run of a chain of retries; the run itself when it is no retry. */
  readonly rootRunId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The run of which this one is a retry. */
  readonly retryOfRunId?: string | undefined;
  /** Unix time in milliseconds at which the run is to be over. */
  readonly deadline?: number | undefined;
  readonly cancelled: boolean;
  /** Name of the step that is running. */
  readonly step?: string | undefined;
}

/** What a new run is made of. Without value, ids, environment and deadline come from the parent. */
export interface RunOptions {
  readonly workflow: string;
  /** A UUID, for work that is carried out again under the same name. Default, and for what is none: a new one. */
  readonly runId?: string | undefined;
  readonly eventId?: string | undefined;
  readonly customerId?: string | undefined;
  /** Default: the parent's, else `unknown`. */
  readonly environment?: string | undefined;
  readonly tenantId?: string | undefined;
  /** Unix time in milliseconds. */
  readonly deadline?: number | undefined;
  /** The run in which the new one is nested. */
  readonly parent?: RunContext | undefined;
  /** Where warnings about values go; default: the one that was set. */
  readonly diag?: Diag | undefined;
}

const MAX_TEXT_BYTES = 256;

/** Text that may travel: 1 to 256 bytes of UTF-8 without control characters. */
function parseText(text: unknown): string | undefined {
  return typeof text === "string" &&
    text &&
    !/\p{Cc}/u.test(text) &&
    // No character takes more than three bytes per unit.
    (text.length * 3 <= MAX_TEXT_BYTES || new TextEncoder().encode(text).length <= MAX_TEXT_BYTES)
    ? text
    : undefined;
}

function parseInteger(text: string = ""): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? +text : undefined;
}

/**
 * Reads a run from texts in the order of its keys. There is one only if run id and workflow are both valid; other
 * fields that are not valid are as if absent.
 */
export function readRun(texts: readonly (string | undefined)[]): RunContext | undefined {
  const [id, name, event, customer, environment, tenant, parent, root, attempt, previous, deadline, cancelled, step] =
    texts;
  const runId = parseRunId(id);
  const workflow = parseText(name);
  if (!runId || !workflow) return undefined;
  return Object.freeze({
    runId,
    workflow,
    eventId: parseText(event),
    customerId: parseText(customer),
    environment: parseText(environment) ?? "unknown",
    tenantId: parseText(tenant),
    parentRunId: parseRunId(parent),
    rootRunId: parseRunId(root) ?? runId,
    attempt: parseInteger(attempt) ?? 1,
    retryOfRunId: parseRunId(previous),
    deadline: parseInteger(deadline),
    cancelled: /^true$/i.test(cancelled ?? ""),
    step: parseText(step),
  });
}

/** The fields of a run in the order of its keys; what goes without saying is false or undefined. */
export function runValues(run: RunContext): readonly (string | number | boolean | undefined)[] {
  return [
    run.runId,
    run.workflow,
    run.eventId,
    run.customerId,
    run.environment,
    run.tenantId,
    run.parentRunId,
    run.rootRunId !== run.runId && run.rootRunId,
    run.attempt > 1 && run.attempt,
    run.retryOfRunId,
    run.deadline,
    run.cancelled,
    run.step,
  ];
}

/**
 * A new run, nested in `parent` when there is one. An id that cannot travel is left out with one warning per key; one
 * that has a space is kept with one warning, because some hops turn a space into a plus sign.
 *
 * @throws BotanuError ERR_INVALID_OPTION when the workflow is not a text of 1 to 256 bytes without control characters.
 */
export function createRun(options: RunOptions): RunContext {
  const { workflow, parent } = options;
  if (!parseText(workflow)) throw new BotanuError("ERR_INVALID_OPTION", "invalid workflow");
  const runId = parseRunId(options.runId) ?? createRunId();
  const take = (field: "eventId" | "customerId" | "environment" | "tenantId"): string | undefined =>
    options[field] ? checkText(field, options[field], options.diag) : parent?.[field];
  return Object.freeze({
    runId,
    workflow,
    eventId: take("eventId"),
    customerId: take("customerId"),
    environment: take("environment") ?? "unknown",
    tenantId: take("tenantId"),
    parentRunId: parent?.runId,
    rootRunId: runId,
    attempt: 1,
    retryOfRunId: undefined,
    deadline: parseInteger(`${Math.floor(options.deadline ?? parent?.deadline ?? 0)}`),
    cancelled: false,
    step: undefined,
  });
}

function checkText(field: string, value: unknown, to: Diag | undefined): string | undefined {
  const text = parseText(value);
  if (!text) warnOnce(`${field}!`, `${field} left out: invalid`, to);
  else if (text.includes(" ")) warnOnce(field, `${field} has a space`, to);
  return text;
}

/** A new attempt at a run: new run id, same event, deadline and root, attempt one higher. */
export function createRetry(previous: RunContext): RunContext {
  return change(previous, {
    runId: createRunId(),
    attempt: previous.attempt + 1,
    retryOfRunId: previous.runId,
    cancelled: false,
    step: undefined,
  });
}

/** The run, cancelled. */
export function cancelRun(run: RunContext): RunContext {
  return change(run, { cancelled: true });
}

/** The run inside a step. A name that cannot travel is left out with one warning. */
export function withStep(run: RunContext, name: string): RunContext {
  return change(run, { step: checkText("step", name, undefined) });
}

function change(run: RunContext, changes: Partial<RunContext>): RunContext {
  return Object.freeze({ ...run, ...changes });
}

/** Milliseconds until the deadline, never below 0; undefined without deadline. */
export function remainingMillis(run: RunContext, now: number = Date.now()): number | undefined {
  return run.deadline === undefined ? undefined : Math.max(0, run.deadline - now);
}

/** A signal that aborts at the deadline, or at once when the run is cancelled; undefined when neither applies. */
export function deadlineSignal(run: RunContext, now: number = Date.now()): AbortSignal | undefined {
  if (run.cancelled) return AbortSignal.abort();
  const remaining = remainingMillis(run, now);
  return remaining === undefined ? undefined : AbortSignal.timeout(remaining);
}

const attributesOfRun = /* @__PURE__ */ new WeakMap<RunContext, Record<string, string>>();

/** The attributes that every span of a run carries. Made once per run: do not change the result. */
export function runAttributes(run: RunContext): Record<string, string> {
  let attributes = attributesOfRun.get(run);
  if (!attributes) {
    const values = runValues(run);
    attributes = {};
    for (const [index, key] of RUN_KEYS.entries()) {
      // From the root's id to the cancellation, fields are on the run's own span only.
      if (values[index] && (index < 7 || index > 11)) attributes[key] = String(values[index]);
    }
    attributesOfRun.set(run, attributes);
  }
  return attributes;
}
