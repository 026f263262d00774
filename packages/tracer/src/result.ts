import { type Context, withContext } from "@botanu/core";

/** Told once how a call went: what it gave, or what it threw. */
export type Ended = (failed: boolean, value: unknown) => void;

/**
 * Calls `fn` in `context` and tells `ended` when the work is over: at the return of a plain value, when a promise settles, when a
 * generator or async iterable has been read to its end, closed or has failed. Each step of an iteration runs in `context`. The
 * caller gets what `fn` gave: a plain value as it is, a promise of the same, an iteration of the same kind. Errors pass through.
 *
 * A stream (anything with `getReader` or `pipe`) and a `Response` are plain values: reading them is not watched.
 */
export function traceCall<R>(context: Context, fn: () => R, ended: Ended): R {
  const end = once(ended);
  let result: R;
  try {
    result = withContext(context, fn);
  } catch (error) {
    end(true, error);
    throw error;
  }
  return isThenable(result) ? (followPromise(context, result, end) as R) : followValue(context, result, end);
}

/** Says whether something can be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

function once(ended: Ended): Ended {
  let open = true;
  return (failed, value) => {
    if (!open) return;
    open = false;
    ended(failed, value);
  };
}

function followPromise(context: Context, result: PromiseLike<unknown>, end: Ended): Promise<unknown> {
  // Any other `then` may be what starts the work, and has to start it in the context.
  const isPlain = result instanceof Promise && result.then === Promise.prototype.then;
  const promise = isPlain
    ? result
    : withContext(context, () => new Promise((...settle) => void result.then(...settle)));
  return promise.then(
    (value) => followValue(context, value, end),
    (error: unknown) => {
      end(true, error);
      throw error;
    },
  );
}

function followValue<R>(context: Context, value: R, end: Ended): R {
  if (typeof value === "object" && value !== null && !("getReader" in value) && !("pipe" in value)) {
    const kind = Object.prototype.toString.call(value);
    if (kind === "[object Generator]" || kind === "[object AsyncGenerator]") {
      // The same prototype keeps `instanceof`, iterator helpers and `using`; its methods reach these three.
      return traceIterator(
        context,
        value as object as Iteration,
        end,
        Object.create(Object.getPrototypeOf(value) as object),
      ) as R;
    }
    if (isAsyncIterable(value) && !Object.isFrozen(value)) return traceIterable(context, value, end) as R;
  }
  end(false, value);
  return value;
}

type Step = (...args: unknown[]) => unknown;

/** An iterator of either kind. */
interface Iteration {
  readonly next: Step;
  readonly return?: Step | undefined;
  readonly throw?: Step | undefined;
}

interface Iterable {
  [Symbol.asyncIterator](): Iteration;
}

function isAsyncIterable(value: object): value is Iterable {
  return typeof (value as Partial<Iterable>)[Symbol.asyncIterator] === "function";
}

/** Gives `target` the methods of `source`, each of which runs in `context`. */
function traceIterator(context: Context, source: Iteration, end: Ended, target: object): object {
  const methods: Array<[keyof Iteration, Step | undefined]> = [
    ["next", source.next],
    // Without one, leaving a loop early would leave the run open.
    ["return", source.return ?? (async (value) => ({ done: true, value }))],
    ["throw", source.throw],
  ];
  for (const [name, method] of methods) {
    if (!method) continue;
    const value: Step = (...args) => advance(context, () => Reflect.apply(method, source, args), end);
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  }
  return target;
}

function advance(context: Context, step: () => unknown, end: Ended): unknown {
  const check = (result: unknown): unknown => {
    const { done, value } = Object(result) as { done?: unknown; value?: unknown };
    if (done) end(false, value);
    return result;
  };
  const fail = (error: unknown): never => {
    end(true, error);
    throw error;
  };
  let result: unknown;
  try {
    result = withContext(context, step);
  } catch (error) {
    return fail(error);
  }
  return isThenable(result) ? Promise.resolve(result).then(check, fail) : check(result);
}

/**
 * The same object for all that reads it, but for its iteration. Methods run on the object itself, where its private fields are;
 * the first one called before any iteration uses the result in another way, so the work counts as over.
 */
function traceIterable(context: Context, value: Iterable, end: Ended): Iterable {
  let iterating = false;
  return new Proxy(value, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function" || key === "constructor") return member;
      return (...args: unknown[]) => {
        const traced = key === Symbol.asyncIterator;
        if (traced) iterating = true;
        else if (!iterating) end(false, value);
        const call = (): unknown => Reflect.apply(member, target, args);
        if (!traced) return call();
        const source = withContext(context, call) as Iteration;
        return traceIterator(context, source, end, { [Symbol.asyncIterator]: self });
      };
    },
    set: (target, key, member) => Reflect.set(target, key, member, target),
  });
}

function self<T>(this: T): T {
  return this;
}
