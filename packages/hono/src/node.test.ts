import { get, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { serve, type ServerType } from "@hono/node-server";
import { setDiag } from "@botanu/core";
import {
  activeRun,
  batchSpans,
  botanuFetch,
  createFetch,
  createTracer,
  step,
  type SpanExporter,
  type SpanProcessor,
} from "@botanu/tracer";
import { OtlpTraceExporter } from "@botanu/otlp";
import { Hono, type Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { stream } from "hono/streaming";
import { afterEach, describe, expect, it } from "vitest";
import { CALLER, KIND, only, RUN_ID, serveCollector, serveUpstream, TRACE_ID } from "@botanu/loopback";
import { botanu, type BotanuEnv, type BotanuOptions } from "./index.ts";

const collector = serveCollector();
const upstream = serveUpstream();
const servers: ServerType[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  setDiag();
});

/** A tracer that sends each batch soon, so that a test need not wait for the usual five seconds. */
function quick(exporter: SpanExporter = new OtlpTraceExporter({ url: collector.url })): Pick<BotanuOptions, "tracer"> {
  return {
    tracer: createTracer({
      exporter,
      batch: batchSpans({ scheduledDelayMillis: 5 }),
      resource: { "service.name": "orders", "deployment.environment.name": "test" },
    }),
  };
}

async function listen(app: Hono<BotanuEnv>): Promise<string> {
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }: AddressInfo) => {
      resolve(`http://127.0.0.1:${port}`);
    });
    servers.push(server);
  });
}

function orders(options: BotanuOptions = {}): Hono<BotanuEnv> {
  const app = new Hono<BotanuEnv>();
  app.use(botanu({ workflow: "orders", ...quick(), ...options }));
  app.get("/orders/:id", (c) =>
    c.json({ id: c.req.param("id"), run: c.var.botanu?.runId, active: activeRun()?.runId }),
  );
  return app;
}

describe("a request on Node", () => {
  it("makes a server span named by the route, and the run span below it", async () => {
    const url = await listen(
      orders({ eventId: (c) => c.req.param("id") ?? c.req.path.slice(8), customerId: () => "acme" }),
    );
    const response = await fetch(`${url}/orders/7?token=s3cret&page=2`, { headers: { "user-agent": "probe/1" } });
    const body = (await response.json()) as { run: string; active: string };
    expect(response.headers.get("x-botanu-run-id")).toBe(body.run);
    expect(body.active).toBe(body.run);

    const spans = await collector.received(2);
    const server = only(spans, "GET /orders/:id");
    const run = only(spans, "botanu.run/orders");
    const stamps = {
      "botanu.run_id": body.run,
      "botanu.workflow": "orders",
      "botanu.event_id": "7",
      "botanu.customer_id": "acme",
      "botanu.environment": "test",
    };
    expect(server).toMatchObject({ kind: KIND.SERVER, parentSpanId: "", status: {} });
    expect(server.attributes).toEqual({
      ...stamps,
      "http.request.method": "GET",
      "http.response.status_code": 200,
      "http.route": "/orders/:id",
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(url).port),
      "url.path": "/orders/7",
      "url.query": "token=REDACTED&page=2",
      "url.scheme": "http",
      "user_agent.original": "probe/1",
    });
    expect(run).toMatchObject({ kind: KIND.INTERNAL, parentSpanId: server.spanId, traceId: server.traceId });
    expect(run.attributes).toMatchObject(stamps);
    expect(run.events.map(({ name, attributes }) => [name, attributes["status"]])).toEqual([
      ["botanu.run.started", undefined],
      ["botanu.run.completed", "success"],
    ]);
    expect(server.resource).toMatchObject({ "service.name": "orders", "deployment.environment.name": "test" });
  });

  it.each<[string, string, string, unknown]>([
    ["a route of an app that is mounted", "/shop/items/3", "GET /shop/items/:item", "/shop/items/:item"],
    ["an optional parameter", "/opt", "GET /opt/:a?", "/opt/:a?"],
    ["a handler for all methods", "/any/thing", "GET /any/*", "/any/*"],
    ["nothing that matches", "/nowhere", "GET", undefined],
    ["middleware that answers by itself", "/closed/door", "GET", undefined],
  ])("names the span of %s", async (_, path, name, route) => {
    const app = orders();
    const shop = new Hono<BotanuEnv>().get("/items/:item", (c) => c.text("item"));
    app.route("/shop", shop);
    app.get("/opt/:a?", (c) => c.text("opt"));
    app.all("/any/*", (c) => c.text("any"));
    app.use("/closed/*", async (c, _next) => c.text("closed", 403));
    await fetch((await listen(app)) + path);
    const span = only(await collector.received(2), name);
    expect(span.attributes["http.route"]).toBe(route);
  });

  it("says what a failing handler threw: once, on the run span, and an error only from 500", async () => {
    const app = orders();
    app.get("/boom", () => {
      throw new TypeError("no stock");
    });
    app.get("/teapot", () => {
      throw new HTTPException(418, { message: "short and stout" });
    });
    const url = await listen(app);
    expect((await fetch(`${url}/boom`)).status).toBe(500);
    const failed = await collector.received(2);
    const server = only(failed, "GET /boom");
    expect(server.status).toEqual({ code: 2, message: "no stock" });
    expect(server.attributes).toMatchObject({ "error.type": "TypeError", "http.response.status_code": 500 });
    expect(failed.flatMap((span) => span.events).filter(({ name }) => name === "exception")).toHaveLength(1);
    const { events, status } = only(failed, "botanu.run/orders");
    expect(status.code).toBe(2);
    expect(events.at(-1)?.attributes).toMatchObject({ status: "failure", error_class: "TypeError" });

    collector.spans = [];
    expect((await fetch(`${url}/teapot`)).status).toBe(418);
    const refused = await collector.received(2);
    expect(only(refused, "GET /teapot").status).toEqual({});
    expect(only(refused, "botanu.run/orders")).toMatchObject({ status: {} });
    expect(refused.flatMap((span) => span.events).filter(({ name }) => name === "exception")).toHaveLength(1);
  });

  it("keeps interleaved runs apart, in the handler, in its steps and at whom it calls", async () => {
    const app = orders({ eventId: (c) => c.req.query("event") });
    app.get("/work", async (c) => {
      const event = c.req.query("event") ?? "";
      await new Promise((resolve) => setTimeout(resolve, (Number(event) * 7) % 13));
      const seen = await step("load", async () => {
        await botanuFetch(`${upstream.url}/${event}`);
        return activeRun()?.eventId;
      });
      return c.json({ event, seen, run: activeRun()?.runId, given: c.var.botanu?.runId });
    });
    const url = await listen(app);
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, event) => (await fetch(`${url}/work?event=${event}`)).json()),
    );
    for (const { event, seen, run, given } of answers as Array<Record<string, string>>) {
      expect(seen).toBe(event);
      expect(run).toBe(given);
    }
    expect(new Set((answers as Array<{ run: string }>).map(({ run }) => run)).size).toBe(60);
    for (const { path, headers } of upstream.requests) {
      expect(headers.baggage).toContain(`botanu.event_id=${path.slice(1)},`);
    }
    const spans = await collector.received(60 * 4);
    for (const span of spans) {
      const root = spans.find((each) => each.traceId === span.traceId && each.parentSpanId === "");
      expect(span.attributes["botanu.run_id"]).toBe(root?.attributes["botanu.run_id"]);
    }
  });

  it("ends its span with a streamed body", async () => {
    const app = orders();
    app.get("/stream", (c) =>
      stream(c, async (out) => {
        for (let part = 0; part < 4; part++) {
          await out.write(`${part}`);
          await new Promise((resolve) => setTimeout(resolve, 15));
        }
      }),
    );
    expect(await (await fetch(`${await listen(app)}/stream`)).text()).toBe("0123");
    const spans = await collector.received(2);
    expect(only(spans, "GET /stream").millis).toBeGreaterThan(45);
    expect(only(spans, "botanu.run/orders").millis).toBeGreaterThan(45);
  });

  it("says of a client that went away that it did, and calls nobody to blame", async () => {
    const app = orders();
    app.get("/endless", (c) =>
      stream(c, async (out) => {
        while (!out.aborted) {
          await out.write("more");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }),
    );
    const url = await listen(app);
    await new Promise<void>((resolve) => {
      const request = get(`${url}/endless`, (response) => response.once("data", () => request.destroy()));
      request.on("error", () => undefined).on("close", resolve);
    });
    const spans = await collector.received(2);
    const server = only(spans, "GET /endless");
    expect(server.attributes["botanu.response.end"]).toBe("aborted");
    expect(server.status).toEqual({});
    expect(only(spans, "botanu.run/orders").events.at(-1)?.attributes["status"]).toBe("canceled");
  });

  it("answers HEAD, empty bodies and the responses of others with the run's id and nothing else changed", async () => {
    const app = orders();
    app.get("/empty", (c) => c.body(null, 204));
    app.get("/proxied", () => fetch(upstream.url));
    const url = await listen(app);
    const head = await fetch(`${url}/orders/1`, { method: "HEAD" });
    const empty = await fetch(`${url}/empty`);
    const proxied = await fetch(`${url}/proxied`);
    expect([head.status, empty.status, proxied.status]).toEqual([200, 204, 200]);
    expect(await proxied.json()).toEqual({ up: true });
    for (const response of [head, empty, proxied])
      expect(response.headers.get("x-botanu-run-id")).toMatch(/^[\da-f-]{36}$/);
    const names = (await collector.received(6)).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["HEAD /orders/:id", "GET /empty", "GET /proxied"]));
  });

  it("may be told not to say the run's id", async () => {
    const response = await fetch(`${await listen(orders({ responseHeader: false }))}/orders/1`);
    expect(response.headers.has("x-botanu-run-id")).toBe(false);
  });
});

describe("whose run it is", () => {
  function calling(options: BotanuOptions): Promise<string> {
    const app = orders(options);
    app.get("/call", async (c) => {
      await botanuFetch(upstream.url);
      return c.json({ run: c.var.botanu ?? null });
    });
    return listen(app);
  }

  it("believes nobody at an entry point, keeps the claim apart and sends none of it on", async () => {
    const url = await calling({});
    const { run } = (await (await fetch(`${url}/call`, { headers: CALLER })).json()) as { run: { runId: string } };
    expect(run).toMatchObject({ workflow: "orders" });
    expect(run.runId).not.toBe(RUN_ID);
    const server = only(await collector.received(3), "GET /call");
    expect(server).toMatchObject({
      traceId: TRACE_ID,
      attributes: { "botanu.untrusted.run_id": RUN_ID, "botanu.run_id": run.runId },
    });
    expect(collector.spans.filter((span) => "botanu.untrusted.run_id" in span.attributes)).toEqual([server]);
    const { headers } = upstream.requests[0] ?? {};
    expect(headers?.baggage).toMatch(/^botanu\.run_id=.*,team=blue$/);
    expect(JSON.stringify(headers)).not.toContain(RUN_ID);
    expect(JSON.stringify(headers)).not.toContain("acme");
    expect(headers?.tracestate).toBe(`botanu=${run.runId}`);
  });

  it("joins the run of a caller that is named, whose ids win", async () => {
    const url = await calling({ trust: (c: Context) => c.req.header("x-gate") === "key", customerId: () => "other" });
    await fetch(`${url}/call`, { headers: { ...CALLER, "x-gate": "key" } });
    const spans = await collector.received(3);
    for (const span of spans) {
      expect(span.attributes).toMatchObject({
        "botanu.run_id": RUN_ID,
        "botanu.workflow": "intake",
        "botanu.customer_id": "acme",
      });
      expect(span.attributes).not.toHaveProperty("botanu.untrusted.run_id");
    }
    expect(spans.map(({ name }) => name).toSorted()).toEqual(["GET", "GET /call", "botanu.run/intake"]);
  });

  it("nests a run of its own in one it trusts when that is asked for", async () => {
    const url = await calling({ trust: true, newRun: true });
    const { run } = (await (await fetch(`${url}/call`, { headers: CALLER })).json()) as { run: { runId: string } };
    expect(run).toMatchObject({ workflow: "orders", parentRunId: RUN_ID, customerId: "acme" });
    expect(run.runId).not.toBe(RUN_ID);
  });

  it("only joins where no workflow is named", async () => {
    const url = await calling({ workflow: undefined });
    await fetch(`${url}/call`, { headers: CALLER });
    const joined = await collector.received(2);
    expect(joined.map(({ name }) => name).toSorted()).toEqual(["GET", "GET /call"]);
    for (const span of joined) expect(span.attributes["botanu.run_id"]).toBe(RUN_ID);
    collector.spans = [];
    const response = await fetch(`${url}/call`);
    expect(await response.json()).toEqual({ run: null });
    expect(response.headers.has("x-botanu-run-id")).toBe(false);
    for (const span of await collector.received(2)) expect(span.attributes).not.toHaveProperty("botanu.run_id");
  });

  it("sends nothing to a host that is not listed", async () => {
    const sent: Headers[] = [];
    const away = createFetch({
      fetch: async (_input, init) => {
        sent.push(new Headers(init?.headers));
        return new Response("ok");
      },
    });
    const app = orders();
    app.get("/away", async (c) => {
      await away("https://api.partner.example/v1");
      return c.text("sent");
    });
    await fetch(`${await listen(app)}/away`);
    expect(sent.map((headers) => [...headers.keys()])).toEqual([[]]);
  });

  it("may be a hop for all routes and an entry point for some, in one server span", async () => {
    const app = new Hono<BotanuEnv>();
    app.use(botanu(quick()));
    app.use("/pay/*", botanu({ workflow: "pay", eventId: (c) => c.req.query("event") }));
    app.get("/pay/:id", (c) => c.json({ run: c.var.botanu?.runId }));
    app.get("/health", (c) => c.text("ok"));
    const url = await listen(app);
    const paid = await fetch(`${url}/pay/1?event=e1`);
    const { run } = (await paid.json()) as { run: string };
    expect(paid.headers.get("x-botanu-run-id")).toBe(run);
    const spans = await collector.received(2);
    expect(spans.map(({ name }) => name).toSorted()).toEqual(["GET /pay/:id", "botanu.run/pay"]);
    for (const span of spans) expect(span.attributes).toMatchObject({ "botanu.run_id": run, "botanu.event_id": "e1" });
    collector.spans = [];
    await fetch(`${url}/health`);
    expect((await collector.received(1))[0]).toMatchObject({ name: "GET /health" });
  });

  it("does not let an entry point further in believe what only the hop around it believed", async () => {
    const app = new Hono<BotanuEnv>();
    app.use(botanu(quick()));
    app.get("/pay", botanu({ workflow: "pay" }), (c) => c.json({ run: c.var.botanu?.runId }));
    const { run } = (await (await fetch(`${await listen(app)}/pay`, { headers: CALLER })).json()) as { run: string };
    expect(run).not.toBe(RUN_ID);
    for (const span of await collector.received(2)) {
      expect(span.attributes["botanu.run_id"]).toBe(run);
      expect(span.attributes["botanu.customer_id"]).not.toBe("acme");
    }
  });

  it("counts once when it is registered twice", async () => {
    const app = new Hono<BotanuEnv>();
    const options: BotanuOptions = { workflow: "orders", ...quick() };
    app.use(botanu(options)).use(botanu(options));
    app.get("/", (c) => c.text("ok"));
    await fetch(await listen(app));
    expect((await collector.received(2)).map(({ name }) => name).toSorted()).toEqual(["GET /", "botanu.run/orders"]);
  });
});

describe("what is read from a request", () => {
  it("may be read asynchronously, and the server span starts before", async () => {
    const app = orders({
      workflow: undefined,
      eventId: async (c) => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return ((await c.req.json()) as { id: string }).id;
      },
    });
    const url = await listen(new Hono<BotanuEnv>().route("/", app));
    await fetch(`${url}/orders/1`, { method: "GET" });
    await collector.received(1);
    collector.spans = [];

    const entry = new Hono<BotanuEnv>();
    entry.use(
      botanu({
        ...quick(),
        workflow: "orders",
        eventId: async (c) => {
          await new Promise((resolve) => setTimeout(resolve, 30));
          return ((await c.req.json()) as { id: string }).id;
        },
      }),
    );
    entry.post("/orders", async (c) => c.json({ event: c.var.botanu?.eventId, body: await c.req.json() }));
    const answer = await fetch(`${await listen(entry)}/orders`, { method: "POST", body: '{"id":"e7"}' });
    expect(await answer.json()).toEqual({ event: "e7", body: { id: "e7" } });
    expect(only(await collector.received(2), "POST /orders").millis).toBeGreaterThan(25);
  });

  it.each<[string, NonNullable<BotanuOptions["eventId"]>]>([
    [
      "throws",
      () => {
        throw new Error("secret of the caller");
      },
    ],
    ["rejects", () => Promise.reject(new Error("secret of the caller"))],
    ["gives something that is no id", () => ({}) as never],
  ])("is left out with at most one warning when its reader %s", async (_, eventId) => {
    const warnings: string[] = [];
    setDiag({ warn: (message) => void warnings.push(message), error: (message) => void warnings.push(message) });
    const url = await listen(orders({ eventId, customerId: () => "acme" }));
    for (let time = 0; time < 3; time++) expect((await fetch(`${url}/orders/1`)).status).toBe(200);
    const spans = await collector.received(6);
    for (const span of spans) {
      expect(span.attributes).not.toHaveProperty("botanu.event_id");
      expect(span.attributes["botanu.customer_id"]).toBe("acme");
    }
    expect(warnings.length).toBeLessThanOrEqual(1);
    expect(warnings.join("")).not.toContain("secret");
  });

  it("may name the workflow by the request, or none", async () => {
    const url = await listen(orders({ workflow: (c) => c.req.query("workflow") }));
    await fetch(`${url}/orders/1?workflow=refund`);
    only(await collector.received(2), "botanu.run/refund");
    collector.spans = [];
    const response = await fetch(`${url}/orders/1`, { headers: CALLER });
    expect(response.headers.has("x-botanu-run-id")).toBe(false);
    expect((await collector.received(1))[0]?.attributes["botanu.untrusted.run_id"]).toBe(RUN_ID);
  });
});

describe("telemetry that fails", () => {
  const silent: SpanExporter = { export: (_spans, done) => done({ code: 0 }), shutdown: async () => undefined };
  const fail = (): never => {
    throw new Error("no");
  };
  const hostile: SpanProcessor = { onStart: fail, onEnd: fail, forceFlush: fail, shutdown: fail };
  const failing: Array<[string, () => BotanuOptions]> = [
    [
      "an exporter that throws",
      () =>
        quick({
          export: () => {
            throw new Error("no");
          },
          shutdown: async () => undefined,
        }),
    ],
    ["an exporter that never answers", () => quick({ export: () => undefined, shutdown: async () => undefined })],
    [
      "a collector that is not there",
      () => ({ url: "http://127.0.0.1:1/v1/traces", timeoutMillis: 50, maxAttempts: 1 }),
    ],
    ["a processor that throws", () => ({ exporter: silent, processors: [hostile] })],
  ];
  it.each(failing)("changes nothing for the app: %s", async (_, options) => {
    const url = await listen(orders(options()));
    const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${url}/orders/9`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await answers[0]?.json()).toMatchObject({ id: "9" });
  });
});

describe("options", () => {
  it.each<[string, unknown]>([
    ["an empty workflow", { workflow: " " }],
    ["a workflow that is no name", { workflow: 7 }],
    ["trust that is no rule", { trust: "yes" }],
    ["a value instead of its reader", { eventId: "e1" }],
    ["a host rule that is none", { propagateTo: ["https://x.example/path"] }],
    ["a URL that is none", { url: "collector" }],
  ])("refuses %s", (_, options) => {
    expect(() => botanu(options as BotanuOptions)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(INVALID_OPTION|OTLP_INVALID_URL)$/) as string }),
    );
  });

  it("may be read from the bindings, once", async () => {
    let calls = 0;
    const app = new Hono<BotanuEnv>();
    app.use(
      botanu(() => {
        calls += 1;
        return { workflow: "orders", ...quick() };
      }),
    );
    app.get("/", (c) => c.text("ok"));
    const url = await listen(app);
    await Promise.all([fetch(url), fetch(url), fetch(url)]);
    await collector.received(6);
    expect(calls).toBe(1);
  });

  it("that only a request shows to be wrong leave the app untraced, and say so once", async () => {
    const errors: string[] = [];
    setDiag({ warn: () => undefined, error: (message) => void errors.push(message) });
    const app = new Hono<BotanuEnv>();
    app.use(botanu(() => ({ workflow: "" })));
    app.get("/", (c) => c.text("ok"));
    const url = await listen(app);
    expect(await (await fetch(url)).text()).toBe("ok");
    await fetch(url);
    expect(errors).toEqual([expect.stringContaining("workflow")]);
  });

  it("of the environment come after those of code", async () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      OTEL_SERVICE_NAME: "from-variable",
      BOTANU_ENVIRONMENT: "staging",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: "service.version=1.2.3,team=blue%20ones",
    });
    try {
      const app = new Hono<BotanuEnv>();
      app.use(botanu({ workflow: "orders", serviceName: "from-code" }));
      app.get("/", (c) => c.json({ environment: c.var.botanu?.environment }));
      const response = await fetch(await listen(app));
      expect(await response.json()).toEqual({ environment: "staging" });
      // The usual delay of a batch.
      const [span] = await collector.received(2);
      expect(span?.resource).toMatchObject({
        "service.name": "from-code",
        "service.version": "1.2.3",
        team: "blue ones",
        "deployment.environment.name": "staging",
        "telemetry.distro.name": "botanu",
      });
    } finally {
      process.env = before;
    }
  });
});

describe("without a server", () => {
  it("works in app.request and ends the span with the body there", async () => {
    const app = orders();
    app.get("/stream", (c) => stream(c, async (out) => void (await out.write("part"))));
    expect(await (await app.request("/orders/1")).json()).toMatchObject({ id: "1" });
    expect(await (await app.request("/stream")).text()).toBe("part");
    const spans = await collector.received(4);
    expect(only(spans, "GET /stream").attributes["http.response.status_code"]).toBe(200);
  });

  it("lets requests of one connection keep apart", async () => {
    const url = new URL(await listen(orders()));
    const runs = new Set<string>();
    for (let time = 0; time < 3; time++) {
      const response = await new Promise<string>((resolve) => {
        httpRequest(
          { host: url.hostname, port: url.port, path: "/orders/1", headers: { connection: "keep-alive" } },
          (incoming) => {
            incoming.resume().on("end", () => resolve(String(incoming.headers["x-botanu-run-id"])));
          },
        ).end();
      });
      runs.add(response);
    }
    expect(runs.size).toBe(3);
  });
});
