import { request as httpRequest, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { setDiag } from "@botanu/core";
import { OtlpTraceExporter } from "@botanu/otlp";
import {
  activeRun,
  batchSpans,
  botanuFetch,
  createFetch,
  createTracer,
  type SpanExporter,
  type SpanProcessor,
  step,
} from "@botanu/tracer";
import express5, { type Express, type NextFunction, type Request, type Response } from "express";
import { afterEach, describe, expect, it } from "vitest";
import { CALLER, KIND, only, RUN_ID, serveCollector, serveUpstream, TRACE_ID } from "@botanu/loopback";
import { botanu, botanuErrorHandler, type BotanuOptions, runOf } from "./index.ts";

const collector = serveCollector();
const upstream = serveUpstream();
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  setDiag();
});

/** A tracer that sends each batch soon, so that a test need not wait for the usual second. */
function quick(exporter: SpanExporter = new OtlpTraceExporter({ url: collector.url })): Pick<BotanuOptions, "tracer"> {
  return {
    tracer: createTracer({
      exporter,
      batch: batchSpans({ scheduledDelayMillis: 5 }),
      resource: { "service.name": "orders", "deployment.environment.name": "test" },
    }),
  };
}

async function listen(app: Express): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = app.listen(0, "127.0.0.1", () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
    server.on("error", reject);
    servers.push(server);
  });
}

const later = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

// The older one comes without types of its own.
const express4 = createRequire(import.meta.url)("express-4") as typeof express5;

const VERSIONS: ReadonlyArray<[string, typeof express5]> = [
  ["Express 4", express4],
  ["Express 5", express5],
];

describe.each(VERSIONS)("%s", (version, express) => {
  function orders(options: BotanuOptions = {}): Express {
    const app = express();
    app.use(botanu({ workflow: "orders", ...quick(), ...options }));
    app.get("/orders/:id", (req, res) => {
      res.json({ id: req.params["id"], run: runOf(req)?.runId, active: activeRun()?.runId });
    });
    return app;
  }

  describe("a request", () => {
    it("makes a server span named by the route, and the run span below it", async () => {
      const url = await listen(orders({ eventId: (req) => req.path.slice(8), customerId: () => "acme" }));
      const response = await fetch(`${url}/orders/7?token=s3cret&page=2`, { headers: { "user-agent": "probe/1" } });
      const body = (await response.json()) as { run: string; active: string };
      expect(response.headers.get("x-botanu-run-id")).toBe(body.run);
      expect(body.active).toBe(body.run);
      const spans = await collector.received(2);
      const server = only(spans, "GET /orders/:id");
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
      const run = only(spans, "botanu.run/orders");
      expect(run).toMatchObject({ kind: KIND.INTERNAL, parentSpanId: server.spanId, attributes: stamps });
      expect(run.events.at(-1)?.attributes["status"]).toBe("success");
    });

    it.each<[string, string, string | undefined]>([
      ["a router", "/api/items/3", "/api/items/:item"],
      ["a router's own root", "/api", "/api"],
      ["a mount with a parameter", "/shops/kyiv/items/3", "/shops/:shop/items/:item"],
      ["a mount whose parameter is encoded", "/shops/new%20york/items/3", "/shops/:shop/items/:item"],
      ["a mount whose parameter repeats the path", "/shops/shops/items/3", "/shops/:shop/items/:item"],
      ["mounts in mounts", "/shops/kyiv/staff/7/notes/1", "/shops/:shop/staff/:person/notes/:note"],
      ["an expression", "/files/a.txt", String(/^\/files\/[a-z.]+$/)],
      ["several paths", "/first", "/first|/second"],
      ["a handler that fails in a router", "/api/boom", "/api/boom"],
      ["nothing that matches", "/nowhere", undefined],
      ["nothing that matches in a router", "/api/nowhere", undefined],
      ["middleware that answers by itself", "/closed/door", undefined],
      ["a path that is no text", "/shops/%E0%A4%A/items/3", undefined],
    ])("knows the route of %s", async (_, path, route) => {
      const app = orders();
      const api = express.Router();
      api.get("/", (_req, res) => void res.send("root"));
      api.get("/items/:item", (_req, res) => void res.send("item"));
      api.get("/boom", () => {
        throw new Error("boom");
      });
      const staff = express.Router().get("/notes/:note", (_req, res) => void res.send("note"));
      const shop = express.Router().get("/items/:item", (_req, res) => void res.send("item"));
      shop.use("/staff/:person", staff);
      app.use("/api", api).use("/shops/:shop", shop);
      app.get(/^\/files\/[a-z.]+$/, (_req, res) => void res.send("file"));
      app.get(["/first", "/second"], (_req, res) => void res.send("one of two"));
      app.use("/closed", (_req, res) => void res.status(403).send("closed"));
      app.use(
        (_error: unknown, _req: Request, res: Response, _next: NextFunction) => void res.status(500).send("failed"),
      );
      await (await fetch((await listen(app)) + path)).text();
      const span = (await collector.received(2)).find(({ kind }) => kind === KIND.SERVER);
      expect(span?.attributes["http.route"]).toBe(route);
      expect(span?.name).toBe(route ? `GET ${route}` : "GET");
    });

    it("leaves to the app what it knows of its mounts", async () => {
      const app = orders();
      const shop = express.Router({ mergeParams: true });
      shop.get("/items/:item", (req, res) => {
        res.json({
          baseUrl: req.baseUrl,
          url: req.url,
          params: req.params,
          route: (req.route as { path: string }).path,
        });
      });
      app.use("/shops/:shop", shop);
      expect(await (await fetch(`${await listen(app)}/shops/kyiv/items/3?x=1`)).json()).toEqual({
        baseUrl: "/shops/kyiv",
        url: "/items/3?x=1",
        params: { shop: "kyiv", item: "3" },
        route: "/items/:item",
      });
    });

    it("is a failure from 500, with the exception where it can be seen, and none at 404", async () => {
      const app = orders();
      app.get("/boom", (_req, _res, next) => next(new TypeError("no stock")));
      app.get("/busy", (_req, res) => void res.status(503).send("busy"));
      app.use(botanuErrorHandler);
      app.use(
        (_error: unknown, _req: Request, res: Response, _next: NextFunction) => void res.status(500).send("failed"),
      );
      const url = await listen(app);
      await fetch(`${url}/boom`);
      const failed = await collector.received(2);
      expect(only(failed, "GET /boom")).toMatchObject({
        status: { code: 2, message: "no stock" },
        attributes: { "error.type": "TypeError" },
      });
      expect(failed.flatMap(({ events }) => events).filter(({ name }) => name === "exception")).toHaveLength(1);
      expect(only(failed, "botanu.run/orders").events.at(-1)?.attributes).toMatchObject({
        status: "failure",
        error_class: "TypeError",
      });
      collector.spans = [];
      await fetch(`${url}/busy`);
      const busy = await collector.received(2);
      expect(only(busy, "GET /busy")).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "503" } });
      expect(only(busy, "botanu.run/orders").status.code).toBe(2);
      collector.spans = [];
      await fetch(`${url}/nowhere`);
      for (const span of await collector.received(2)) expect(span.status).toEqual({});
    });

    it("keeps interleaved runs apart, behind a body parser too", async () => {
      const app = orders({ workflow: undefined });
      app.use(express.json());
      app.use("/work", botanu({ workflow: "work", eventId: (req) => (req.body as { event: string }).event }));
      app.post("/work", (req, res, next) => {
        const { event } = req.body as { event: string };
        const work = async (): Promise<void> => {
          await later((Number(event) * 7) % 13);
          await step("load", () => botanuFetch(`${upstream.url}/${event}`));
          res.json({ event, seen: activeRun()?.eventId, run: activeRun()?.runId });
        };
        work().catch(next);
      });
      const url = await listen(app);
      const headers = { "content-type": "application/json" };
      const answers = await Promise.all(
        Array.from({ length: 60 }, async (_each, event) => {
          const response = await fetch(`${url}/work`, {
            method: "POST",
            headers,
            body: JSON.stringify({ event: String(event) }),
          });
          return (await response.json()) as { event: string; seen: string; run: string };
        }),
      );
      for (const { event, seen } of answers) expect(seen).toBe(event);
      const spans = await collector.received(60 * 4);
      for (const { event, run } of answers) {
        const own = spans.filter((span) => span.attributes["botanu.run_id"] === run);
        expect(own.map((span) => span.attributes["botanu.event_id"])).toEqual([event, event, event, event]);
        expect(own.map(({ name }) => name).toSorted()).toEqual([
          "GET",
          "POST /work",
          "botanu.run/work",
          "botanu.step/load",
        ]);
      }
      for (const { path, headers: sent } of upstream.requests)
        expect(sent.baggage).toContain(`botanu.event_id=${path.slice(1)},`);
    });

    it("lasts as long as its streamed body", async () => {
      const app = orders();
      app.get("/stream", async (_req, res) => {
        for (let part = 0; part < 4; part++) {
          res.write(`${part}`);
          await later(15);
        }
        res.end();
      });
      expect(await (await fetch(`${await listen(app)}/stream`)).text()).toBe("0123");
      const spans = await collector.received(2);
      expect(only(spans, "GET /stream").millis).toBeGreaterThan(45);
    });

    it.each<[string, boolean]>([
      ["before any answer", false],
      ["in the middle of one", true],
    ])("whose client goes away %s ends then, once, and nobody is to blame", async (_, started) => {
      const app = orders();
      let release = (): void => undefined;
      app.get("/endless", (_req, res) => {
        if (started) res.write("part");
        release = () => void res.end("too late");
      });
      const url = await listen(app);
      await new Promise<void>((resolve) => {
        const request = httpRequest(`${url}/endless`, (response) => response.once("data", () => request.destroy()));
        request.on("error", () => undefined).on("close", resolve);
        request.end();
        if (!started) setTimeout(() => request.destroy(), 30);
      });
      const spans = await collector.received(2);
      expect(only(spans, "GET /endless")).toMatchObject({
        status: {},
        attributes: { "botanu.response.end": "aborted" },
      });
      expect(only(spans, "botanu.run/orders").events.at(-1)?.attributes["status"]).toBe("canceled");
      release();
      await later(20);
      expect(collector.spans).toHaveLength(2);
    });

    it("may be told not to say the run's id", async () => {
      const response = await fetch(`${await listen(orders({ responseHeader: false }))}/orders/1`);
      expect(response.headers.has("x-botanu-run-id")).toBe(false);
    });

    it("keeps apart from others on the same connection", async () => {
      const url = new URL(await listen(orders()));
      const runs = new Set<unknown>();
      for (let time = 0; time < 3; time++) {
        await new Promise<void>((resolve) => {
          const options = {
            host: url.hostname,
            port: url.port,
            path: "/orders/1",
            headers: { connection: "keep-alive" },
          };
          httpRequest(options, (incoming) => {
            runs.add(incoming.headers["x-botanu-run-id"]);
            incoming.resume().on("end", resolve);
          }).end();
        });
      }
      expect(runs.size).toBe(3);
    });

    // Express 4 leaves a rejected handler to the process.
    if (version === "Express 5") {
      it("learns what an asynchronous handler threw", async () => {
        const app = orders();
        app.get("/async", async () => {
          await later(1);
          throw new RangeError("later");
        });
        app.use(botanuErrorHandler);
        app.use(
          (_error: unknown, _req: Request, res: Response, _next: NextFunction) => void res.status(500).send("failed"),
        );
        expect((await fetch(`${await listen(app)}/async`)).status).toBe(500);
        expect(only(await collector.received(2), "GET /async").attributes["error.type"]).toBe("RangeError");
      });
    }
  });

  describe("whose run it is", () => {
    function calling(options: BotanuOptions): Promise<string> {
      const app = orders(options);
      app.get("/call", (_req, res, next) => {
        botanuFetch(upstream.url)
          .then(() => res.json({ run: activeRun() ?? null }))
          .catch(next);
      });
      return listen(app);
    }

    it("believes nobody at an entry point, keeps the claim apart and sends none of it on", async () => {
      const { run } = (await (await fetch(`${await calling({})}/call`, { headers: CALLER })).json()) as {
        run: { runId: string };
      };
      expect(run.runId).not.toBe(RUN_ID);
      const server = only(await collector.received(3), "GET /call");
      expect(server).toMatchObject({ traceId: TRACE_ID, attributes: { "botanu.untrusted.run_id": RUN_ID } });
      expect(collector.spans.filter((span) => "botanu.untrusted.run_id" in span.attributes)).toEqual([server]);
      const sent = JSON.stringify(upstream.requests[0]?.headers);
      expect(sent).not.toContain(RUN_ID);
      expect(sent).not.toContain("acme");
      expect(upstream.requests[0]?.headers.baggage).toMatch(/^botanu\.run_id=.*,team=blue$/);
    });

    it("joins the run of a caller that is named", async () => {
      const url = await calling({ trust: (req) => req.get("x-gate") === "key" });
      await fetch(`${url}/call`, { headers: { ...CALLER, "x-gate": "key" } });
      for (const span of await collector.received(3)) {
        expect(span.attributes).toMatchObject({ "botanu.run_id": RUN_ID, "botanu.workflow": "intake" });
      }
    });

    it("nests a run of its own in one it trusts when that is asked for", async () => {
      const url = await calling({ trust: true, newRun: true });
      const { run } = (await (await fetch(`${url}/call`, { headers: CALLER })).json()) as { run: object };
      expect(run).toMatchObject({ workflow: "orders", parentRunId: RUN_ID, customerId: "acme" });
    });

    it("only joins where no workflow is named", async () => {
      const url = await calling({ workflow: undefined });
      await fetch(`${url}/call`, { headers: CALLER });
      const joined = await collector.received(2);
      expect(joined.map(({ name }) => name).toSorted()).toEqual(["GET", "GET /call"]);
      for (const span of joined) expect(span.attributes["botanu.run_id"]).toBe(RUN_ID);
      expect(await (await fetch(`${url}/call`)).json()).toEqual({ run: null });
    });

    it("sends nothing to a host that is not listed", async () => {
      const sent: Headers[] = [];
      const away = createFetch({
        fetch: async (_input, init) => {
          sent.push(new Headers(init?.headers));
          return new globalThis.Response("ok");
        },
      });
      const app = orders();
      app.get("/away", (_req, res, next) => {
        away("https://api.partner.example/v1")
          .then(() => res.send("sent"))
          .catch(next);
      });
      await fetch(`${await listen(app)}/away`);
      expect(sent.map((headers) => [...headers.keys()])).toEqual([[]]);
    });

    it("counts once when it is registered twice", async () => {
      const options: BotanuOptions = { workflow: "orders", ...quick() };
      const app = express().use(botanu(options)).use(botanu(options));
      app.get("/", (_req, res) => void res.send("ok"));
      await fetch(await listen(app));
      expect((await collector.received(2)).map(({ name }) => name).toSorted()).toEqual(["GET /", "botanu.run/orders"]);
    });
  });

  describe("what is read from a request", () => {
    it("may be read asynchronously, and the server span starts before", async () => {
      const app = orders({
        eventId: async (req) => {
          await later(30);
          return req.get("x-event");
        },
      });
      const url = await listen(app);
      const { active, run } = (await (
        await fetch(`${url}/orders/1`, { headers: { "x-event": "e7" } })
      ).json()) as Record<string, string>;
      expect(active).toBe(run);
      const server = only(await collector.received(2), "GET /orders/:id");
      expect(server.attributes["botanu.event_id"]).toBe("e7");
      expect(server.millis).toBeGreaterThan(25);
    });

    it("is left out with one warning when its reader fails", async () => {
      const warnings: string[] = [];
      setDiag({ warn: (message) => void warnings.push(message), error: () => undefined });
      const eventId = (): never => {
        throw new Error("secret of the caller");
      };
      const url = await listen(orders({ eventId, customerId: () => Promise.reject(new Error("secret too")) }));
      for (let time = 0; time < 3; time++) expect((await fetch(`${url}/orders/1`)).status).toBe(200);
      for (const span of await collector.received(6)) expect(span.attributes).not.toHaveProperty("botanu.event_id");
      expect(warnings).toHaveLength(2);
      expect(warnings.join("")).not.toContain("secret");
    });
  });

  describe("telemetry that fails", () => {
    const silent: SpanExporter = { export: (_spans, done) => done({ code: 0 }), shutdown: async () => undefined };
    const fail = (): never => {
      throw new Error("no");
    };
    const hostile: SpanProcessor = { onStart: fail, onEnd: fail, forceFlush: fail, shutdown: fail };
    it.each<[string, () => BotanuOptions]>([
      ["an exporter that throws", () => quick({ export: fail, shutdown: async () => undefined })],
      ["an exporter that never answers", () => quick({ export: () => undefined, shutdown: async () => undefined })],
      ["a processor that throws", () => ({ tracer: undefined, exporter: silent, processors: [hostile] })],
      [
        "a collector that is not there",
        () => ({ tracer: undefined, url: "http://127.0.0.1:1/", timeoutMillis: 50, maxAttempts: 1 }),
      ],
    ])("changes nothing for the app: %s", async (_, options) => {
      const url = await listen(orders(options()));
      const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${url}/orders/9`)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect(await answers[0]?.json()).toMatchObject({ id: "9" });
    });
  });

  describe("options", () => {
    it.each<[string, unknown]>([
      ["an empty workflow", { workflow: "" }],
      ["trust that is no rule", { trust: "yes" }],
      ["a value instead of its reader", { customerId: "acme" }],
      ["a host rule that is none", { propagateTo: [7] }],
      ["a URL that is none", { url: "collector" }],
    ])("refuses %s", (_, options) => {
      expect(() => botanu(options as BotanuOptions)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_(INVALID_OPTION|OTLP_INVALID_URL)$/) as string }),
      );
    });

    it("of the environment come after those of code, and shutdown sends what waits", async () => {
      const before = { ...process.env };
      Object.assign(process.env, {
        OTEL_SERVICE_NAME: "from-variable",
        BOTANU_ENVIRONMENT: "staging",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:1/wrong",
      });
      try {
        const app = express();
        const traced = botanu({ workflow: "orders", serviceName: "from-code", url: collector.url });
        app.use(traced);
        app.get("/", (_req, res) => void res.json({ environment: activeRun()?.environment }));
        expect(await (await fetch(await listen(app))).json()).toEqual({ environment: "staging" });
        await traced.shutdown();
        expect(collector.spans).toHaveLength(2);
        expect(collector.spans[0]?.resource).toMatchObject({
          "service.name": "from-code",
          "deployment.environment.name": "staging",
          "telemetry.distro.name": "botanu",
        });
      } finally {
        process.env = before;
      }
    });
  });
});
