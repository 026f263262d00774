import { diag, warnOnce, type Diag } from "./diag.ts";
import { BotanuError } from "./errors.ts";
import { createRunId, parseRunId } from "./run-id.ts";
import * as keys from "./keys.ts";

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

type Parse = (text: string) => string | number | boolean | undefined;
type Field = readonly [key: string, field: keyof RunContext, parse: Parse];

/** Wire key, field and reader of everything that a run carries, in the order in which it is emitted. */
export const RUN_FIELDS: readonly Field[] = [
  [keys.RUN_ID, "runId", parseRunId],
  [keys.WORKFLOW, "workflow", parseText],
  [keys.EVENT_ID, "eventId", parseText],
  [keys.CUSTOMER_ID, "customerId", parseText],
  [keys.ENVIRONMENT, "environment", parseText],
  [keys.TENANT_ID, "tenantId", parseText],
  [keys.PARENT_RUN_ID, "parentRunId", parseRunId],
  [keys.ROOT_RUN_ID, "rootRunId", parseRunId],
  [keys.ATTEMPT, "attempt", parseInteger],
  [keys.RETRY_OF_RUN_ID, "retryOfRunId", parseRunId],
  [keys.DEADLINE, "deadline", parseInteger],
  [keys.CANCELLED, "cancelled", (text) => /^true$/i.test(text)],
  [keys.STEP, "step", parseText],
];

/** Text that may travel: 1 to 256 bytes of UTF-8 without control characters. */
export function parseText(text: unknown): string | undefined {
  return typeof text === "string" &&
    text.length <= MAX_TEXT_BYTES &&
    /^[^\0-\x1f\x7f-\x9f]+$/.test(text) &&
    new TextEncoder().encode(text).length <= MAX_TEXT_BYTES
    ? text
    : undefined;
}

function parseInteger(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? +text : undefined;
}

/**
 * A new run, nested in `parent` when there is one. An id that cannot travel is left out with one warning per key; one
 * that has a space is kept with one warning, because some hops turn a space into a plus sign.
 *
 * @throws BotanuError ERR_INVALID_OPTION when the workflow is not a text of 1 to 256 bytes without control characters.
 */
export function createRun(options: RunOptions): RunContext {
  const { workflow, parent, deadline = parent?.deadline, diag: to = diag() } = options;
  if (!parseText(workflow)) throw new BotanuError("ERR_INVALID_OPTION", "workflow must be a name of 1 to 256 bytes");
  const runId = createRunId();
  const take = (field: "eventId" | "customerId" | "tenantId" | "environment"): string | undefined =>
    options[field] ? checkText(field, options[field], to) : parent?.[field];
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
    deadline,
    cancelled: false,
    step: undefined,
  });
}

function checkText(field: string, value: string, to: Diag): string | undefined {
  const text = parseText(value);
  if (text === undefined) warnOnce(`${field}!`, `${field} left out: over 256 bytes or control characters`, to);
  else if (text.includes(" ")) warnOnce(`${field} `, `${field} has a space, which some hops rewrite`, to);
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

/** The run inside a step. */
export function withStep(run: RunContext, name: string): RunContext {
  return change(run, { step: name });
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
    attributes = {};
    for (const [key, field] of RUN_FIELDS) {
      const value = run[field];
      if (typeof value === "string" && field !== "rootRunId" && field !== "retryOfRunId") attributes[key] = value;
    }
    attributesOfRun.set(run, attributes);
  }
  return attributes;
}

/** Reads a run from texts by wire key. There is one only if run id and workflow are both valid. */
export function readRun(get: (key: string) => string | undefined): RunContext | undefined {
  const read: Record<string, unknown> = {};
  for (const [key, field, parse] of RUN_FIELDS) {
    const text = get(key);
    read[field] = text === undefined ? undefined : parse(text);
  }
  if (!read["runId"] || !read["workflow"]) return undefined;
  read["environment"] ??= "unknown";
  read["rootRunId"] ??= read["runId"];
  read["attempt"] ??= 1;
  read["cancelled"] ??= false;
  return Object.freeze(read) as unknown as RunContext;
}
