// A request that is not taken, and why.

import { RPC } from "./otlp-reply.ts";

const CODES: Readonly<Record<number, number>> = {
  400: RPC.invalidArgument,
  403: RPC.permissionDenied,
  404: RPC.notFound,
  405: RPC.unimplemented,
  408: RPC.deadlineExceeded,
  413: RPC.resourceExhausted,
  415: RPC.invalidArgument,
  429: RPC.resourceExhausted,
  503: RPC.unavailable,
};

/** Answered with an HTTP status and a `google.rpc.Status` that says what to do. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  /** The `google.rpc.Code` that goes with the HTTP status. */
  get code(): number {
    return CODES[this.status] ?? RPC.internal;
  }
}
