import { once } from "node:events";
import { createRequire } from "node:module";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  buildPreload,
  FIXTURES,
  findNode20,
  startReceiver,
  startService,
  startUpstream,
  type Doors,
  type Receiver,
  type Service,
  type Upstream,
} from "../test/service.ts";

const RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const OWN = `botanu.run_id=${RUN},botanu.workflow=support,botanu.customer_id=acme,botanu.environment=staging`;
const INCOMING = {
  baggage: `team=a;p=1,${OWN}`,
  traceparent: `00-${TRACE}-00f067aa0ba902b7-03`,
  tracestate: "other=1",
};
const STOCK = createRequire(import.meta.url).resolve("@opentelemetry/auto-instrumentations-node/register");

let built: Awaited<ReturnType<typeof buildPreload>>;
let receiver: Receiver;
let upstream: Upstream;
const services: Service[] = [];

beforeAll(async () => {
  built = await buildPreload();
});
afterAll(() => built.remove());
beforeEach(async () => {
  [receiver, upstream] = await Promise.all([startReceiver(), startUpstream()]);
});
afterEach(async () => {
  for (const service of services.splice(0)) if (service.child.exitCode === null) service.child.kill("SIGKILL");
  receiver.close();
  upstream.close();
});

interface Start {
  readonly door?: keyof Doors;
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly node?: string | undefined;
  readonly names?: boolean;
}

async function start(
  file: string,
  { door = "--import", preload = built.doors[door], env = {}, node, names = false }: Start = {},
): Promise<Service> {
  const service = await startService({
    file: `${FIXTURES}/${file}`,
    flags: [...(names ? ["--require", `${FIXTURES}/names.cjs`] : []), door, preload],
    env: {
      UPSTREAM: `http://127.0.0.1:${upstream.port}`,
      ENABLE: built.enable,
      OTEL_SERVICE_NAME: "orders",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      ...env,
    },
    node,
  });
  services.push(service);
  return service;
}

/** Run ids of the received spans, by name. */
function runs(): Array<[string, unknown]> {
  return receiver.spans.map((span) => [span.name, span.attributes["botanu.run_id"]]);
}

describe.each([
  ["Node 24", process.execPath],
  ["Node 20", findNode20()],
])("the preload on %s", (_, node) => {
  const test = node === undefined ? it.skip : it;
  const express = ["GET /work", "request handler", "GET", "GET"];

  test.each<[string, keyof Doors, string[]]>([
    ["express.cjs", "--import", express],
    ["express.cjs", "--require", express],
    ["express.mjs", "--import", express],
    ["express.mjs", "--require", express],
    ["plain.cjs", "--import", ["GET", "GET", "GET"]],
    ["plain.mjs", "--import", ["GET", "GET", "GET"]],
  ])("stamps every span of %s through %s, and sends the run on", async (file, door, names) => {
    const service = await start(file, { door, node });
    expect((await service.get("/work?id=1", INCOMING)).status).toBe(200);
    expect(await service.stop()).toMatchObject({ code: null, signal: "SIGTERM" });
    expect(receiver.spans.map((span) => span.name)).toEqual(expect.arrayContaining(names));
    expect(runs().filter(([, runId]) => runId !== RUN)).toEqual([]);
    for (const span of receiver.spans) {
      expect(span.attributes).toMatchObject({
        "botanu.workflow": "support",
        "botanu.customer_id": "acme",
        "botanu.environment": "staging",
      });
      expect(span.traceId).toBe(TRACE);
      expect(span.resource).toMatchObject({ "service.name": "orders", "telemetry.distro.name": "botanu" });
    }
    expect(upstream.requests.map(({ url }) => url)).toEqual(["/fetch?id=1", "/get?id=1"]);
    for (const { headers } of upstream.requests) {
      expect(headers).toMatchObject({ baggage: `${OWN},team=a;p=1`, tracestate: `botanu=${RUN},other=1` });
      expect(headers["traceparent"]).toMatch(new RegExp(`^00-${TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{16}-03$`));
    }
    expect(service.stderr()).toBe("");
  });
});

describe("the preload", () => {
  it("is missing nothing that the stock hook sees, which stamps none of it", async () => {
    const service = await start("express.cjs", {
      door: "--require",
      preload: STOCK,
      env: {
        OTEL_METRICS_EXPORTER: "none",
        OTEL_LOGS_EXPORTER: "none",
        OTEL_NODE_RESOURCE_DETECTORS: "env",
        OTEL_NODE_DISABLED_INSTRUMENTATIONS: "dns,net",
      },
    });
    await service.get("/work", INCOMING);
    await expect.poll(() => receiver.spans.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const stock = runs()
      .map(([name]) => name)
      .toSorted();
    expect(runs().filter(([, runId]) => runId !== undefined)).toEqual([]);
    receiver.spans.length = 0;
    const ours = await start("express.cjs");
    await ours.get("/work", INCOMING);
    await ours.stop();
    expect(
      runs()
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(stock);
  });

  it("keeps concurrent runs apart", async () => {
    const service = await start("express.mjs");
    const ids = Array.from({ length: 12 }, (_, index) => RUN.replace(/..$/, String(10 + index)));
    await Promise.all(
      ids.map((id, index) =>
        service.get(`/work?delay=${(index * 7) % 20}&id=${id}`, {
          baggage: `botanu.run_id=${id},botanu.workflow=w${index}`,
        }),
      ),
    );
    await service.stop();
    for (const { url, headers } of upstream.requests) {
      expect(headers["baggage"]).toContain(`botanu.run_id=${new URL(url, "http://x").searchParams.get("id")}`);
    }
    expect([...new Set(runs().map(([, runId]) => runId))].toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual(
      ids,
    );
    const byRun = ids.map((id) => receiver.spans.filter((span) => span.attributes["botanu.run_id"] === id));
    for (const [index, spans] of byRun.entries()) {
      expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
      expect(new Set(spans.map((span) => span.attributes["botanu.workflow"]))).toEqual(new Set([`w${index}`]));
    }
    expect(new Set(byRun.map((spans) => spans.length)).size).toBe(1);
  });

  it("takes a run from baggage alone, and from trace state alone", async () => {
    const service = await start("plain.cjs");
    await service.get("/work?a", { baggage: OWN });
    await service.get("/work?b", { traceparent: INCOMING.traceparent, tracestate: `botanu=${RUN}` });
    await service.stop();
    expect(runs()).toHaveLength(6);
    expect(runs().every(([, runId]) => runId === RUN)).toBe(true);
    expect(
      receiver.spans
        .filter((span) => span.attributes["botanu.stamped_by"] === "tracestate")
        .map((span) => span.traceId),
    ).toEqual([TRACE, TRACE, TRACE]);
    expect(upstream.requests.map(({ headers }) => headers["tracestate"])).toEqual(
      Array.from({ length: 4 }, () => `botanu=${RUN}`),
    );
  });

  it("records nothing below an unsampled caller, and still sends the run on", async () => {
    const service = await start("express.cjs");
    await service.get("/work", { ...INCOMING, traceparent: INCOMING.traceparent.replace(/..$/, "00") });
    await service.stop();
    expect(receiver.requests).toEqual([]);
    expect(upstream.requests).toHaveLength(2);
    for (const { headers } of upstream.requests) {
      expect(headers["baggage"]).toContain(OWN);
      expect(headers["traceparent"]).toMatch(new RegExp(`^00-${TRACE}-.{16}-00$`));
    }
  });

  it("exports protobuf by default, without spans or context of its own requests", async () => {
    const service = await start("plain.mjs", {
      env: { OTEL_EXPORTER_OTLP_PROTOCOL: "", OTEL_BSP_SCHEDULE_DELAY: "50" },
    });
    await service.get("/work", INCOMING);
    await expect.poll(() => receiver.requests.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await service.get("/work", INCOMING);
    await service.stop();
    for (const { headers, body } of receiver.requests) {
      expect(headers["content-type"]).toBe("application/x-protobuf");
      expect(headers).not.toHaveProperty("baggage");
      expect(headers).not.toHaveProperty("traceparent");
      expect(body.includes(RUN)).toBe(true);
      expect(body.includes("/v1/traces")).toBe(false);
    }
  });

  it.each([
    ["OTEL_SDK_DISABLED", { OTEL_SDK_DISABLED: "true" }],
    ["no exporter", { OTEL_TRACES_EXPORTER: "none" }],
  ])("with %s passes caller and run through unchanged", async (_, env) => {
    const service = await start("express.mjs", { env, names: true });
    await service.get("/work", INCOMING);
    await service.get(`/outside?host=api.model.example&port=${upstream.port}`, INCOMING);
    await service.stop();
    expect(receiver.requests).toEqual([]);
    const [first, second, ...outside] = upstream.requests;
    for (const request of [first, second]) {
      expect(request?.headers).toMatchObject({
        baggage: `${OWN},team=a;p=1`,
        traceparent: INCOMING.traceparent,
        tracestate: `botanu=${RUN},other=1`,
      });
    }
    expect(outside).toHaveLength(2);
    for (const { headers } of outside) expect(headers).not.toHaveProperty("baggage");
  });
});

describe("metrics and logs", () => {
  it("run beside the spans where their variables name an exporter, and not otherwise", async () => {
    const service = await start("express.cjs", {
      env: { OTEL_METRICS_EXPORTER: "otlp", OTEL_METRIC_EXPORT_INTERVAL: "100", OTEL_METRIC_EXPORT_TIMEOUT: "90" },
    });
    await service.get("/work", INCOMING);
    const paths = (): Set<string> => new Set(receiver.requests.map(({ url }) => url));
    await expect.poll(paths, { timeout: 10_000 }).toContain("/v1/metrics");
    await service.stop();
    expect(paths()).toEqual(new Set(["/v1/metrics", "/v1/traces"]));
    expect(runs().every(([, runId]) => runId === RUN)).toBe(true);
  });
});

describe("enable", () => {
  it("does in code what the preload does, once", async () => {
    const service = await start("entry.mjs", { door: "--require", preload: `${FIXTURES}/names.cjs` });
    await service.get(`/outside?host=api.listed.example&port=${upstream.port}`, INCOMING);
    await service.stop();
    expect(service.stderr()).toMatch(/^enabled present/);
    expect(runs().length).toBeGreaterThan(2);
    expect(runs().every(([, runId]) => runId === RUN)).toBe(true);
    expect(receiver.spans[0]?.resource).toMatchObject({
      "service.name": "entry",
      "deployment.environment.name": "staging",
    });
    expect(upstream.requests.map(({ headers }) => "baggage" in headers && !("traceparent" in headers))).toEqual([
      true,
      true,
    ]);
  });

  it("says that it was done where the preload has run", async () => {
    const service = await start("entry.mjs");
    await service.stop();
    expect(service.stderr()).toContain("present present");
  });
});

describe("the preload and hosts off the list", () => {
  const partner = { BOTANU_PROPAGATE_TO: "*.partner.example, api.listed.example" };
  it.each<[string, Record<string, string>, string, string[]]>([
    ["a public host", {}, "api.model.example", []],
    ["a cluster host", {}, "orders.shop.svc", ["baggage", "traceparent", "tracestate"]],
    ["a host listed for baggage", partner, "api.listed.example", ["baggage"]],
    [
      "a host listed by suffix for all",
      { ...partner, BOTANU_TRACE_TO: "*.partner.example" },
      "eu.partner.example",
      ["baggage", "traceparent", "tracestate"],
    ],
    ["a host listed for traces", { BOTANU_TRACE_TO: "*" }, "api.model.example", ["traceparent", "tracestate"]],
    ["a public host of an unsampled trace", { OTEL_TRACES_SAMPLER: "always_off" }, "api.model.example", []],
  ])("%s", async (_, env, host, keys) => {
    const service = await start("express.cjs", { env, names: true });
    expect((await service.get(`/outside?host=${host}&port=${upstream.port}`, INCOMING)).status).toBe(200);
    await service.stop();
    expect(upstream.requests.map(({ url, headers }) => [url, headers.host])).toEqual([
      ["/fetch", `${host}:${upstream.port}`],
      ["/get", `${host}:${upstream.port}`],
    ]);
    for (const { headers } of upstream.requests) {
      expect(
        Object.keys(headers)
          .filter((key) => /^(baggage|trace)/.test(key))
          .toSorted(),
      ).toEqual(keys);
      if (keys.includes("tracestate"))
        expect(headers["tracestate"]).toBe(keys.includes("baggage") ? `botanu=${RUN},other=1` : "other=1");
    }
    if (env["OTEL_TRACES_SAMPLER"] === undefined) expect(runs().every(([, runId]) => runId === RUN)).toBe(true);
  });

  it("leaves a baggage header alone that the service sends itself", async () => {
    const service = await start("express.mjs");
    await service.get(`/outside?host=127.0.0.1&port=${upstream.port}`, { ...INCOMING, "x-own": "mine=1" });
    await service.stop();
    expect(upstream.requests.map(({ headers }) => headers["baggage"])).toEqual(["mine=1", "mine=1"]);
  });
});

describe("the preload and the end of the process", () => {
  it.each(["hang", "fail"] as const)(
    "a receiver that would %s changes nothing for the service, and not when it ends",
    async (mode) => {
      receiver.mode = mode;
      const service = await start("express.cjs", {
        env: { OTEL_BSP_SCHEDULE_DELAY: "20", BOTANU_FLUSH_TIMEOUT: "500" },
      });
      for (let turn = 0; turn < 3; turn++) expect((await service.get("/work", INCOMING)).status).toBe(200);
      const { signal, millis } = await service.stop();
      expect(signal).toBe("SIGTERM");
      expect(millis).toBeLessThan(3_000);
      expect(service.stderr()).toBe("");
    },
  );

  it.each([
    ["is not there", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" }],
    ["does not answer", {}],
  ])("a receiver that %s keeps a process that ran out of work no longer than the limit", async (_, env) => {
    receiver.mode = "hang";
    const service = await start("short.cjs", { env: { BOTANU_FLUSH_TIMEOUT: "300", ...env } });
    const begin = performance.now();
    const [code] = (await once(service.child, "exit")) as [number];
    expect(code).toBe(3);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it("a process that ran out of work hands over its spans first", async () => {
    const service = await start("short.cjs");
    await once(service.child, "exit");
    expect(receiver.spans.map((span) => span.name)).toEqual(["GET"]);
  });

  it("leaves exit code and timing to the service's own handler, and flushes beside it", async () => {
    const service = await start("express.cjs", { env: { GRACEFUL: "1" } });
    await service.get("/work", INCOMING);
    expect(await service.stop()).toMatchObject({ code: 7, signal: null });
    expect(runs().length).toBeGreaterThan(0);
  });

  it("does not count as a handler for libraries that step back when there are others", async () => {
    const service = await start("express.cjs", { env: { COUNTING: "1" } });
    await service.get("/work", INCOMING);
    expect(await service.stop()).toMatchObject({ code: null, signal: "SIGTERM" });
  });

  it.each(["SIGTERM", "SIGINT"] as const)("ends by %s itself, so that the parent sees the signal", async (signal) => {
    const service = await start("plain.mjs");
    await service.get("/work", INCOMING);
    expect(await service.stop(signal)).toMatchObject({ code: null, signal });
    expect(runs()).toHaveLength(3);
  });
});

describe("the preload and settings that cannot be", () => {
  it.each([
    ["a propagator list without baggage", { OTEL_PROPAGATORS: "tracecontext" }, "OTEL_PROPAGATORS leaves baggage out"],
    ["a configuration file", { OTEL_CONFIG_FILE: "/nowhere.yaml" }, "OTEL_CONFIG_FILE is not read"],
    ["a host rule that is none", { BOTANU_PROPAGATE_TO: "https://host/x" }, "BOTANU_PROPAGATE_TO holds"],
    [
      "an exporter that is none",
      { OTEL_TRACES_EXPORTER: "otlp,carrier-pigeon" },
      "OTEL_TRACES_EXPORTER names no exporter",
    ],
    ["an endpoint that is none", { OTEL_EXPORTER_OTLP_ENDPOINT: "not a url" }, "OTEL_EXPORTER_OTLP_ENDPOINT is not"],
  ])("%s: the service starts, and one warning says so", async (_, env, message) => {
    const service = await start("plain.cjs", { env });
    expect((await service.get("/work")).status).toBe(200);
    expect(service.stderr()).toContain(`BotanuWarning: ${message}`);
    expect(service.stderr().match(/BotanuWarning/g)).toHaveLength(1);
  });
});
