// The parts of Cloudflare's runtime that are used here, so that no package of types has to be installed beside this one.

import type { WaitUntil } from "@botanu/tracer";

/** `ExecutionContext`. */
export interface ExecutionContext extends WaitUntil {
  passThroughOnException(): void;
  readonly props: unknown;
}

/** `ScheduledController`. */
export interface ScheduledController {
  readonly scheduledTime: number;
  readonly cron: string;
  noRetry(): void;
}

/** How a message is delivered again. */
export interface RetryOptions {
  delaySeconds?: number;
}

/** `Message`. */
export interface Message<Body = unknown> {
  readonly id: string;
  readonly timestamp: Date;
  readonly body: Body;
  /** 1 for the first delivery. */
  readonly attempts: number;
  ack(): void;
  retry(options?: RetryOptions): void;
}

/** `MessageBatch`. */
export interface MessageBatch<Body = unknown> {
  readonly queue: string;
  readonly messages: ReadonlyArray<Message<Body>>;
  ackAll(): void;
  retryAll(options?: RetryOptions): void;
}

/** The handlers of a Worker that are traced. Others are kept as they are. */
export interface WorkerHandler<Env> {
  fetch?(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
  scheduled?(controller: ScheduledController, env: Env, ctx: ExecutionContext): void | Promise<void>;
  queue?(batch: MessageBatch, env: Env, ctx: ExecutionContext): void | Promise<void>;
}
