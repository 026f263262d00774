import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, ContextManager, TextMapPropagator, Tracer } from "@opentelemetry/api";

/** What both lines of the SDK have in common once each is set up in its own way. */
export interface PlainSetup {
  readonly api: Pick<typeof import("@opentelemetry/api"), "ROOT_CONTEXT" | "context" | "trace">;
  readonly tracer: Tracer;
  readonly propagator: TextMapPropagator;
  flush(): Promise<void>;
}

const SERVER = 1;
const CLIENT = 2;

interface Env {
  readonly UPSTREAM: string;
  readonly SINK: string;
}

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** A context manager over AsyncLocalStorage alone: the published one needs Node's events as well. */
export function asyncContextManager(root: Context): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? root,
    with: (context, fn, thisArg, ...args) =>
      storage.run(context, () => fn.apply(thisArg as ThisParameterType<typeof fn>, args)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

/** The handler that the SDK's documentation leads to: a server span, a client span, headers both ways, a flush after the response. */
export function plainHandler(setUp: (env: Env) => PlainSetup) {
  let setup: PlainSetup | undefined;
  return {
    async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
      setup ??= setUp(env);
      const { api, tracer, propagator } = setup;
      const parent = propagator.extract(api.ROOT_CONTEXT, request.headers, {
        get: (headers, key) => headers.get(key) ?? undefined,
        keys: (headers) => [...headers.keys()],
      });
      const url = new URL(request.url);
      const span = tracer.startSpan(
        `${request.method} ${url.pathname}`,
        {
          kind: SERVER,
          attributes: {
            "http.request.method": request.method,
            "url.path": url.pathname,
            "url.scheme": url.protocol.slice(0, -1),
            "server.address": url.hostname,
          },
        },
        parent,
      );
      try {
        const response = await api.context.with(api.trace.setSpan(parent, span), () =>
          callUpstream(setup as PlainSetup, env),
        );
        span.setAttribute("http.response.status_code", response.status);
        return response;
      } finally {
        span.end();
        ctx.waitUntil(setup.flush().catch(() => undefined));
      }
    },
  };
}

async function callUpstream({ api, tracer, propagator }: PlainSetup, env: Env): Promise<Response> {
  const span = tracer.startSpan("GET", {
    kind: CLIENT,
    attributes: { "http.request.method": "GET", "url.full": env.UPSTREAM },
  });
  const headers = new Headers();
  propagator.inject(api.trace.setSpan(api.context.active(), span), headers, {
    set: (carrier, key, value) => carrier.set(key, value),
  });
  try {
    const response = await fetch(env.UPSTREAM, { headers });
    span.setAttribute("http.response.status_code", response.status);
    return new Response(await response.text(), { status: response.status });
  } finally {
    span.end();
  }
}
