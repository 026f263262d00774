import { diag, warnOnce, type Diag } from "./diag.ts";
import { BotanuError } from "./errors.ts";
import {
  ATTEMPT,
  CANCELLED,
  CUSTOMER_ID,
  DEADLINE,
  ENVIRONMENT,
  EVENT_ID,
  PARENT_RUN_ID,
  RETRY_OF_RUN_ID,
  ROOT_RUN_ID,
  RUN_ID,
  STEP,
  TENANT_ID,
  WORKFLOW,
} from "./keys.ts";
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

type Fields = { -readonly [F in keyof RunContext]?: RunContext[F] } & { runId: string };

const MAX_TEXT_BYTES = 256;

/** Wire keys of a run in the order in which they are emitted, each with the name of its field. */
export const RUN_FIELDS: readonly (readonly [key: string, field: keyof RunContext])[] = /* @__PURE__ */ [
  RUN_ID,
  WORKFLOW,
  EVENT_ID,
  CUSTOMER_ID,
  ENVIRONMENT,
  TENANT_ID,
  PARENT_RUN_ID,
  ROOT_RUN_ID,
  ATTEMPT,
  RETRY_OF_RUN_ID,
  DEADLINE,
  CANCELLED,
  STEP,
].map((key) => [key, key.slice(7).replace(/_./g, (match) => match.slice(1).toUpperCase()) as keyof RunContext]);

/** Text that may travel: 1 to 256 bytes of UTF-8 without control characters. */
function parseText(text: unknown): string | undefined {
  return typeof text === "string" &&
    /^\P{Cc}+$/u.test(text) &&
    (text.length < 86 || new TextEncoder().encode(text).length <= MAX_TEXT_BYTES)
    ? text
    : undefined;
}

function parseInteger(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? +text : undefined;
}

/** The value of a field from its text on the wire, undefined when it is not valid. */
function parseField(key: string, text: string): unknown {
  if (key.endsWith("run_id")) return parseRunId(text);
  if (key === ATTEMPT || key === DEADLINE) return parseInteger(text);
  return key === CANCELLED ? /^true$/i.test(text) : parseText(text);
}

/**
 * Reads a run from texts by wire key. There is one only if run id and workflow are both valid; other fields that are
 * not valid are as if absent.
 */
export function readRun(get: (key: string, index: number) => string | undefined): RunContext | undefined {
  const fields: Record<string, unknown> = {};
  RUN_FIELDS.forEach(([key, field], index) => {
    const value = parseField(key, get(key, index) ?? "");
    if (value !== undefined) fields[field] = value;
  });
  return fields["runId"] && fields["workflow"] ? complete(fields as Fields) : undefined;
}

function complete(fields: Fields): RunContext {
  return Object.freeze({
    environment: "unknown",
    rootRunId: fields.runId,
    attempt: 1,
    cancelled: false,
    ...fields,
  }) as RunContext;
}

/**
 * A new run, nested in `parent` when there is one. An id that cannot travel is left out with one warning per key; one
 * that has a space is kept with one warning, because some hops turn a space into a plus sign.
 *
 * @throws BotanuError ERR_INVALID_OPTION when the workflow is not a text of 1 to 256 bytes without control characters.
 */
export function createRun(options: RunOptions): RunContext {
  const { workflow, parent, diag: to = diag() } = options;
  if (!parseText(workflow)) throw new BotanuError("ERR_INVALID_OPTION", "workflow must be a name of 1 to 256 bytes");
  const fields: Fields = { runId: createRunId(), workflow, parentRunId: parent?.runId };
  fields.deadline = parseInteger(`${Math.floor(options.deadline ?? parent?.deadline ?? 0)}`);
  for (const field of ["eventId", "customerId", "environment", "tenantId"] as const) {
    const value = options[field] ? checkText(field, options[field], to) : parent?.[field];
    if (value) fields[field] = value;
  }
  return complete(fields);
}

function checkText(field: string, value: string, to: Diag): string | undefined {
  const text = parseText(value);
  if (!text) warnOnce(`${field}!`, `${field} left out: over 256 bytes or control characters`, to);
  else if (text.includes(" ")) warnOnce(field, `${field} has a space, which some hops rewrite`, to);
  return text;
}

/** A new attempt at a run: new run id, same event, deadline and root, attempt one higher. */
export function createRetry(previous: RunContext): RunContext {
  return complete({
    ...previous,
    runId: createRunId(),
    attempt: previous.attempt + 1,
    retryOfRunId: previous.runId,
    cancelled: false,
    step: undefined,
  });
}

/** The run, cancelled. */
export function cancelRun(run: RunContext): RunContext {
  return complete({ ...run, cancelled: true });
}

/** The run inside a step. */
export function withStep(run: RunContext, name: string): RunContext {
  return complete({ ...run, step: name });
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
      if (typeof value === "string" && !/^r.*t/.test(field)) attributes[key] = value;
    }
    attributesOfRun.set(run, attributes);
  }
  return attributes;
}
