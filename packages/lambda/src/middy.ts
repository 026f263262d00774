// The same as a middleware of middy, for those who have their handlers in its chain already.

import { activeContext, type Context, STORE_KEY } from "@botanu/core";
import { begin, createService, finish, type LambdaOptions, type Outcome, type Work } from "./handler.ts";
import type { LambdaContext } from "./platform.ts";

/** What middy hands to its middleware. */
export interface MiddyRequest {
  readonly event: unknown;
  readonly context: object;
  response?: unknown;
  error?: unknown;
  readonly internal: Record<string, unknown>;
}

/** A middleware of middy, of version 4 or later. */
export interface BotanuMiddleware {
  before(request: MiddyRequest): void | Promise<void>;
  after(request: MiddyRequest): Promise<void>;
  onError(request: MiddyRequest): Promise<void>;
}

const WORK = "botanu.work";

/**
 * A middleware that does what `botanuHandler` does. Put it first: what comes after is in the invocation's run. Around streams and
 * handlers with a callback wrap the handler instead.
 *
 * @throws BotanuError ERR_INVALID_OPTION, and what the exporter throws, for options that cannot be meant.
 */
export function botanuMiddleware<E = unknown>(options: LambdaOptions<E>): BotanuMiddleware {
  const service = createService(options as LambdaOptions<never>, false);
  const end = async ({ internal }: MiddyRequest, outcome: Outcome): Promise<void> => {
    const work = internal[WORK] as Work | undefined;
    delete internal[WORK];
    if (work) await finish(work, outcome);
  };
  return {
    before({ event, context, internal }) {
      const opened = (work: Work): void => {
        internal[WORK] = work;
        enter(work.entry.context);
      };
      const starting = begin(service, event, context as LambdaContext);
      if (starting instanceof Promise) return starting.then(opened);
      if (starting) opened(starting);
      return undefined;
    },
    after: (request) => end(request, { value: request.response }),
    onError: (request) =>
      end(
        request,
        request.response === undefined ? { error: request.error, failed: true } : { value: request.response },
      ),
  };
}

/** Makes a context the active one for the rest of this chain: a middleware has no call to put it around. */
function enter(context: Context): void {
  // Which also makes the store, where nobody has asked for it before.
  activeContext();
  const store = (globalThis as unknown as Record<symbol, { enterWith?(context: Context): void } | undefined>)[
    STORE_KEY
  ];
  store?.enterWith?.(context);
}
