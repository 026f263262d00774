import { activeContext, BotanuError, warnOnce } from "@botanu/core";
import { type Id, idText } from "./checked-value.ts";
import { isThenable } from "./result.ts";
import { type RunCallOptions, withRun } from "./run.ts";

/** Any function or method. */
export type AnyFunction = (...args: never[]) => unknown;

type Absent = undefined | null;

/**
 * A value, or what reads it from a call's `this` and arguments. Only for an `async` function may it be read asynchronously: any other
 * would have to start before its ids are known, or would no longer be synchronous.
 */
export type FromCall<F extends AnyFunction, T, This = ThisParameterType<F>> =
  | T
  | ((
      this: This,
      ...args: Parameters<F>
    ) => T | Absent | (ReturnType<F> extends PromiseLike<unknown> ? PromiseLike<T | Absent> : never));

/** What a workflow's runs belong to. */
export interface WorkflowOptions<F extends AnyFunction, This = ThisParameterType<F>> extends Omit<
  RunCallOptions,
  "context" | "signal"
> {
  readonly eventId?: FromCall<F, Id, This> | undefined;
  readonly customerId?: FromCall<F, Id, This> | undefined;
  readonly tenantId?: FromCall<F, Id, This> | undefined;
  /** When a run is to be over, in epoch milliseconds. */
  readonly deadline?: FromCall<F, number, This> | undefined;
  /** Default: `deployment.environment.name` of the tracer's resource. */
  readonly environment?: string | undefined;
  /** Nests a new run in one that came from a trusted caller, instead of carrying that one out. */
  readonly newRun?: boolean | undefined;
}

/** What {@link botanuWorkflow} gives without a function: a decorator for methods whose calls the options can read. */
export type WorkflowDecorator<O> = <This, F extends AnyFunction>(
  method: F & (O extends WorkflowOptions<F, This> ? unknown : never),
  context: ClassMethodDecoratorContext<This>,
) => F;

/** Options before the function is known: each reader names the arguments that it takes. */
export type LooseWorkflowOptions = {
  readonly [K in keyof WorkflowOptions<AnyFunction>]?: K extends ExtractedName
    ? Id | AnyFunction | undefined
    : WorkflowOptions<AnyFunction>[K];
};

type ExtractedName = (typeof EXTRACTED)[number];
type Extracted = { -readonly [K in ExtractedName]?: unknown };

const EXTRACTED = ["eventId", "customerId", "tenantId", "deadline"] as const;
const ASYNC = /^\[object AsyncFunction\]$/;

/**
 * Wraps a function so that every call is a run of `workflow`, as `withRun` carries one out. The result is the same function to
 * all that looks at it: `this`, name, length and properties are its own, what is synchronous stays so, and `new` makes instances as
 * before, without a run.
 *
 * Ids are read from the arguments of each call. A reader that throws, or gives anything but a text or a number, leaves its value out with one
 * warning. It may be asynchronous where the function is declared `async`, which then starts when the ids are there.
 *
 * Without a function it gives a method decorator (TC39, stage 3), for private and static methods too.
 *
 * @throws BotanuError ERR_INVALID_OPTION at once on a bad name, option or function, and as a decorator on anything but a method or
 * under the legacy `experimentalDecorators`.
 */
export function botanuWorkflow<F extends AnyFunction>(workflow: string, options: WorkflowOptions<F>, fn: F): F;
export function botanuWorkflow<const O extends LooseWorkflowOptions = Record<never, never>>(
  workflow: string,
  options?: O,
): WorkflowDecorator<O>;
export function botanuWorkflow(workflow: string, options: LooseWorkflowOptions = {}, fn?: AnyFunction): unknown {
  checkOptions(workflow, options);
  if (fn !== undefined) return wrapFunction(workflow, options, fn);
  return (method: AnyFunction, context: { kind?: unknown } | undefined) => {
    if (typeof context === "string" || typeof context === "symbol") {
      throw invalid("botanuWorkflow is a standard decorator: switch experimentalDecorators off");
    }
    if (context?.kind !== "method") throw invalid("botanuWorkflow decorates methods; a function is its third argument");
    return wrapFunction(workflow, options, method);
  };
}

function wrapFunction<F extends AnyFunction>(workflow: string, options: LooseWorkflowOptions, fn: F): F {
  if (typeof fn !== "function") throw invalid("botanuWorkflow needs a function");
  const isAsync = ASYNC.test(Object.prototype.toString.call(fn));
  return new Proxy(fn, {
    apply(target, self, args: never[]) {
      const context = activeContext();
      const run = (extracted: Extracted): unknown =>
        withRun({ ...(options as RunCallOptions), ...(extracted as object), workflow, context }, () =>
          Reflect.apply(target, self, args),
        );
      const extracted = extractAll(options, self, args, isAsync);
      return extracted instanceof Promise ? extracted.then(run) : run(extracted);
    },
  });
}

function extractAll(
  options: LooseWorkflowOptions,
  self: unknown,
  args: unknown[],
  isAsync: boolean,
): Extracted | Promise<Extracted> {
  const extracted: Extracted = {};
  const pending: Array<PromiseLike<void>> = [];
  for (const name of EXTRACTED) {
    const option: unknown = options[name];
    // Named even when it stays without value: it replaces the reader.
    extracted[name] = undefined;
    const take = (value: unknown): void => {
      if (value == null) return;
      extracted[name] = name === "deadline" ? (typeof value === "number" ? value : undefined) : idText(value);
      if (extracted[name] === undefined) leaveOut(name, "wrong type");
    };
    const fail = (): void => leaveOut(name, "its function failed");
    try {
      const value: unknown = typeof option === "function" ? Reflect.apply(option, self, args) : option;
      if (!isThenable(value)) take(value);
      else if (isAsync) pending.push(Promise.resolve(value).then(take, fail));
      else refuse(name, value);
    } catch {
      fail();
    }
  }
  return pending.length > 0 ? Promise.all(pending).then(() => extracted) : extracted;
}

/** Awaiting it would make a synchronous function asynchronous. */
function refuse(name: string, value: PromiseLike<unknown>): void {
  value.then(undefined, () => undefined);
  leaveOut(name, "read asynchronously for a function that is not async");
}

function leaveOut(name: string, reason: string): void {
  warnOnce(`${name}!${reason}`, `${name} left out: ${reason}`);
}

function checkOptions(workflow: unknown, options: LooseWorkflowOptions): void {
  // As a run needs it, but without making one: this is called where nothing may be random.
  const isName = typeof workflow === "string" && workflow.trim() !== "" && !/\p{Cc}/u.test(workflow);
  if (!isName || new TextEncoder().encode(workflow).length > 256) {
    throw invalid("workflow must be a name of 1 to 256 bytes");
  }
  const expected: Array<[keyof LooseWorkflowOptions, ...string[]]> = [
    ["eventId", "string", "number", "bigint", "function"],
    ["customerId", "string", "number", "bigint", "function"],
    ["tenantId", "string", "number", "bigint", "function"],
    ["deadline", "number", "function"],
    ["environment", "string"],
    ["newRun", "boolean"],
    ["kind", "number"],
    ["status", "function"],
    ["tracer", "object"],
  ];
  for (const [name, ...types] of expected) {
    const value = options[name];
    if (value !== undefined && !types.includes(typeof value)) throw invalid(`${name} must be a ${types.join(" or ")}`);
  }
}

function invalid(message: string): BotanuError {
  return new BotanuError("ERR_INVALID_OPTION", message);
}
