import { AsyncLocalStorage } from "node:async_hooks";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Context,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { activeRun, step } from "@botanu/tracer";
import express, { type Express, type RequestHandler } from "express";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CALLER, RUN_ID, TRACE_ID } from "@botanu/loopback";
import { botanu, type BotanuOptions } from "./index.ts";

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const store = new AsyncLocalStorage<Context>();
const servers: Server[] = [];

beforeAll(() => {
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager({
    active: () => store.getStore() ?? ROOT_CONTEXT,
    with: (active, fn, thisArg, ...args) => store.run(active, () => fn.apply(thisArg as never, args)),
    bind: (_active, target) => target,
    enable() {
      return this;
    },
    disable() {
      return this;
    },
  });
});
afterAll(() => {
  trace.disable();
  context.disable();
});
afterEach(() => {
  exporter.reset();
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

// The name by which an HTTP instrumentation keeps its span while spans of middleware are active.
const RPC_METADATA = createContextKey("OpenTelemetry SDK Context Key RPC_METADATA");

interface Metadata {
  readonly span: Span;
  route?: string;
}

/** What the instrumentations of HTTP and of Express do together: a server span, and an active span for the middleware. */
function instrumented(metadata: Metadata[], baggage?: string): RequestHandler {
  return (_req, res, next) => {
    const tracer = provider.getTracer("instrumentation");
    const server = tracer.startSpan("GET", { kind: SpanKind.SERVER }, ROOT_CONTEXT);
    const kept: Metadata = { span: server };
    metadata.push(kept);
    let active = trace.setSpan(ROOT_CONTEXT, server).setValue(RPC_METADATA, kept);
    if (baggage) {
      const entries = baggage.split(",").map((member): [string, { value: string }] => {
        const [key = "", value = ""] = member.split("=");
        return [key, { value }];
      });
      active = propagation.setBaggage(active, propagation.createBaggage(Object.fromEntries(entries)));
    }
    const middleware = tracer.startSpan("middleware - <anonymous>", {}, active);
    res.once("close", () => {
      middleware.end();
      server.end();
    });
    context.with(trace.setSpan(active, middleware), next);
  };
}

async function listen(app: Express): Promise<string> {
  return new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
    servers.push(server);
  });
}

async function finished(count: number): Promise<Array<ReturnType<InMemorySpanExporter["getFinishedSpans"]>[number]>> {
  for (let turn = 0; turn < 200 && exporter.getFinishedSpans().length < count; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return exporter.getFinishedSpans();
}

function app(
  before: RequestHandler[],
  options: BotanuOptions = {},
  answer: () => unknown = () => activeRun(),
): Express {
  const made = express();
  for (const handler of before) made.use(handler);
  made.use(botanu({ workflow: "orders", eventId: () => "e7", serviceName: "ours", environment: "test", ...options }));
  const router = express.Router();
  router.get("/:id", (_req, res) => void res.json(step("load", answer)));
  made.use("/orders", router);
  return made;
}

describe("beside OpenTelemetry's instrumentation", () => {
  it("makes no second server span, stamps those that are there, and puts the run span below", async () => {
    const metadata: Metadata[] = [];
    const response = await fetch(`${await listen(app([instrumented(metadata)]))}/orders/1`);
    const run = (await response.json()) as { runId: string; environment: string };
    expect(run).toMatchObject({ workflow: "orders", environment: "test" });
    const spans = await finished(4);
    expect(spans.map(({ name, kind }) => `${kind} ${name}`).toSorted()).toEqual([
      "0 botanu.run/orders",
      "0 botanu.step/load",
      "0 middleware - <anonymous>",
      "1 GET",
    ]);
    const byName = Object.fromEntries(spans.map((span) => [span.name, span]));
    expect(byName["botanu.run/orders"]?.parentSpanContext?.spanId).toBe(
      byName["middleware - <anonymous>"]?.spanContext().spanId,
    );
    expect(byName["botanu.step/load"]?.parentSpanContext?.spanId).toBe(
      byName["botanu.run/orders"]?.spanContext().spanId,
    );
    for (const { attributes } of spans) {
      expect(attributes).toMatchObject({ "botanu.run_id": run.runId, "botanu.event_id": "e7" });
    }
    // The host names its span by the route, so it is told.
    expect(metadata[0]?.route).toBe("/orders/:id");
    expect(byName["GET"]?.attributes).not.toHaveProperty("http.route");
  });

  it("makes the server span itself, through the provider, where no instrumentation did", async () => {
    await fetch(`${await listen(app([]))}/orders/1`, { headers: CALLER });
    const spans = await finished(3);
    const server = spans.find(({ kind }) => kind === SpanKind.SERVER);
    expect(server?.name).toBe("GET /orders/:id");
    expect(server?.spanContext().traceId).toBe(TRACE_ID);
    expect(server?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
    expect(server?.attributes["botanu.untrusted.run_id"]).toBe(RUN_ID);
    expect(spans).toHaveLength(3);
  });

  it("takes an untrusted caller's run out of the host's baggage, and leaves the rest of it", async () => {
    const said: unknown[] = [];
    const baggage = `botanu.run_id=${RUN_ID},botanu.workflow=intake,team=blue`;
    const answer = (): string => {
      said.push(propagation.getActiveBaggage()?.getAllEntries());
      return "ok";
    };
    await fetch(`${await listen(app([instrumented([], baggage)], {}, answer))}/orders/1`, { headers: { baggage } });
    expect(said).toEqual([[["team", { value: "blue" }]]]);
    const server = (await finished(4)).find(({ kind }) => kind === SpanKind.SERVER);
    expect(server?.attributes["botanu.untrusted.run_id"]).toBe(RUN_ID);
    expect(server?.attributes["botanu.run_id"]).not.toBe(RUN_ID);
  });

  it("keeps the run to itself unless it is asked to show it to the host", async () => {
    const said: Array<Record<string, unknown>> = [];
    const answer = (): string => {
      const entries = propagation.getActiveBaggage()?.getAllEntries() ?? [];
      said.push(Object.fromEntries(entries.map(([key, { value }]) => [key, value])));
      return "ok";
    };
    await fetch(`${await listen(app([instrumented([])], {}, answer))}/orders/1`);
    await fetch(`${await listen(app([instrumented([])], { hostBaggage: true }, answer))}/orders/1`);
    expect(said[0]).toEqual({});
    expect(said[1]).toMatchObject({
      "botanu.workflow": "orders",
      "botanu.event_id": "e7",
      "botanu.environment": "test",
    });
  });

  it("leaves the run alone that a trusted caller sent through the host", async () => {
    const baggage = `botanu.run_id=${RUN_ID},botanu.workflow=intake,team=blue`;
    const response = await fetch(`${await listen(app([instrumented([], baggage)], { trust: true }))}/orders/1`, {
      headers: { baggage },
    });
    expect(await response.json()).toMatchObject({ runId: RUN_ID, workflow: "intake" });
    const spans = await finished(4);
    expect(spans.map(({ name }) => name)).toContain("botanu.run/intake");
  });
});
