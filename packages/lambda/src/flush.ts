// When spans leave: the platform freezes a process as soon as its answer is there, and bills until then.

import type { Invocation } from "@botanu/tracer";
import { InternalExtension } from "./extension.ts";
import { allWritten } from "./node-http.ts";
import type { LambdaContext } from "./platform.ts";

/**
 * - `after-stream`: when the handler is done; a stream has reached its caller by then. For streaming handlers alone.
 * - `local`: before the answer, for 5 ms at most once it is sent; for a receiver on this machine, which takes a request in one.
 * - `extension`: after the answer, held open by an extension inside the process; before it, where that could not be registered.
 * - `before-return`: before the answer, for 500 ms at most.
 * - `auto`: the first of these that fits. Where several invocations share a process nothing is frozen, and
 *   spans leave after the answer by themselves.
 */
export type FlushStrategy = "after-stream" | "auto" | "before-return" | "extension" | "local";

const LOCAL_MILLIS = 5;
const WRITE_MILLIS = 100;
const BEFORE_RETURN_MILLIS = 500;

/** Whether a URL names this machine. */
export function isLocal(url = "http://localhost"): boolean {
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  return /^(.+\.)?localhost$|^127(\.\d+){3}$|^\[::1]$/.test(host);
}

/** Whether several invocations share a process: then nothing is frozen. */
function isShared(env: NodeJS.ProcessEnv = process.env): boolean {
  return Number(env["AWS_LAMBDA_MAX_CONCURRENCY"]) > 1;
}

function within(millis: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis);
    timer.unref();
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    promise.then(done, done);
  });
}

/** Under which every copy of this module in a process finds the one extension. */
const EXTENSION_KEY: unique symbol = /* @__PURE__ */ Symbol.for("botanu.lambda.extension.v1");

const host = globalThis as { [EXTENSION_KEY]?: InternalExtension };

/** The one extension of a process, registered when a handler first needs it. */
function internalExtension(env: NodeJS.ProcessEnv = process.env): InternalExtension | undefined {
  const address = env["AWS_LAMBDA_RUNTIME_API"];
  return address ? (host[EXTENSION_KEY] ??= new InternalExtension(address)) : undefined;
}

/**
 * Resolves when it is known whether spans may leave after the answer. In an ES module `await` it below the handler, so that initialization
 * does not end before; elsewhere the first events of an environment may have to wait for their spans.
 */
export async function extensionReady(): Promise<void> {
  await host[EXTENSION_KEY]?.ready;
}

/** What the platform gives a process between its signal and its end is half a second. */
const END_MILLIS = 400;
const ending: Array<() => Promise<void>> = [];

function onEnd(work: () => Promise<void>): void {
  ending.push(work);
  if (ending.length > 1) return;
  process.once("SIGTERM", () => {
    const done = Promise.all(ending.map((each) => each())).then(() => {});
    void within(END_MILLIS, done).then(() => {
      // An application that listens too ends by itself.
      if (process.listenerCount("SIGTERM") === 0) process.exit(0);
    });
  });
}

/** How the spans of one handler leave. */
export class Flush {
  readonly #strategy: FlushStrategy | "shared";
  readonly #extension: InternalExtension | undefined;
  readonly #margin: number;

  constructor(strategy: FlushStrategy, url: string | undefined, isStreaming: boolean, marginMillis: number) {
    const chosen = isStreaming ? "after-stream" : isLocal(url) ? "local" : "extension";
    this.#strategy = isShared() ? "shared" : strategy === "auto" ? chosen : strategy;
    this.#extension = this.#strategy === "extension" ? internalExtension() : undefined;
    this.#margin = marginMillis;
  }

  /** Adds what is to be done when the platform ends the environment, which it says only where there is an extension. */
  atEnd(work: () => Promise<void>): void {
    if (this.#extension) onEnd(work);
  }

  /** Said when a handler begins; gives whether its spans may leave after the answer. */
  begin(context: LambdaContext | undefined): boolean {
    const requestId = context?.awsRequestId;
    return requestId !== undefined && this.#extension?.announce(requestId) === true;
  }

  /** Says that there will be nothing to send. */
  cancel(context: LambdaContext | undefined): void {
    this.#extension?.handOver(context?.awsRequestId ?? "", () => Promise.resolve());
  }

  /** Sends what an invocation has; resolves when the answer may go. Never rejects. */
  async send(invocation: Invocation, context: LambdaContext | undefined, isHeldOpen: boolean): Promise<void> {
    const requestId = context?.awsRequestId;
    if (isHeldOpen && requestId) {
      this.#extension?.handOver(requestId, () => invocation.flush(this.#limit(context, Infinity)));
      return;
    }
    if (this.#strategy === "shared") return void invocation.flush();
    const most = { local: LOCAL_MILLIS, "after-stream": Infinity }[this.#strategy as string] ?? BEFORE_RETURN_MILLIS;
    await invocation.flush(this.#limit(context, most));
    // The receiver may take its time; what it is sent must not wait for the next invocation.
    if (this.#strategy === "local") await within(this.#limit(context, WRITE_MILLIS), allWritten());
  }

  /** What is left of the invocation, less a margin, and no more than `most`. */
  #limit(context: LambdaContext | undefined, most: number): number {
    const remaining = context?.getRemainingTimeInMillis?.() ?? 3000;
    return Math.max(1, Math.min(most, remaining - this.#margin));
  }
}
