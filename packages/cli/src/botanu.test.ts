// The command as a user has it: one file, its own process, a folder of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { bundle } from "../build.ts";
import { OTHER_RUN, RUN, type Sketch, otlpJson } from "./span.fixture.ts";
import { encodeRequest } from "./trace-proto.fixture.ts";

const JSON_TYPE = { "content-type": "application/json" };

/** Two traces of one run, a call that failed once, a link between them, and a service that does not carry the run. */
const SKETCHES: readonly Sketch[] = [
  { id: 1, run: RUN, kind: "server", name: "POST /orders", ms: 40, attributes: { "botanu.workflow": "order" } },
  { id: 2, parent: 1, run: RUN, kind: "client", name: "GET pay", ms: 5, failed: true, message: "no connection" },
  { id: 3, parent: 1, run: RUN, kind: "client", name: "GET pay", at: 20, ms: 5 },
  {
    id: 4,
    trace: 2,
    run: RUN,
    kind: "consumer",
    name: "process orders",
    service: "mail",
    links: [{ trace: 1, id: 1 }],
  },
  { id: 5, trace: 2, parent: 4, name: "render", service: "templates" },
];

let built: string;
let folder: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), "botanu-built-"));
  await bundle(join(built, "dist"));
  copyFileSync(new URL("../package.json", import.meta.url), join(built, "package.json"));
});
afterAll(() => rmSync(built, { recursive: true, force: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "botanu-cli-"));
});
afterEach(async () => {
  await Promise.all(Array.from(running, (child) => ended(child, "SIGKILL")));
  rmSync(folder, { recursive: true, force: true });
});

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** One run of the command, and what it has said so far. */
class Botanu {
  out = "";
  err = "";
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  readonly ended: Promise<Ended>;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    const own = { PATH: process.env["PATH"], HOME: folder, BOTANU_DB: join(folder, "runs.db"), ...env };
    const child = spawn(process.execPath, [join(built, "dist", "botanu.js"), ...args], {
      env: own,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    running.add(child);
    child.stdout.on("data", (data: Buffer) => this.#take("out", data));
    child.stderr.on("data", (data: Buffer) => this.#take("err", data));
    this.ended = new Promise((resolve) => {
      child.on("close", (code) => {
        running.delete(child);
        for (const listener of this.#listeners) listener();
        resolve({ code, out: this.out, err: this.err });
      });
    });
  }

  #take(stream: "out" | "err", data: Buffer): void {
    this[stream] += data.toString();
    for (const listener of this.#listeners) listener();
  }

  /** Waits until a stream holds a text; rejects when the process has ended without it. */
  says(pattern: RegExp, stream: "out" | "err" = "out"): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(this[stream]);
        if (found) resolve(found);
        else if (running.has(this.#child)) return;
        else reject(new Error(`ended without ${pattern}: ${this.out}${this.err}`));
        this.#listeners.delete(look);
      };
      this.#listeners.add(look);
      look();
    });
  }

  end(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.#child.kill(signal);
    return this.ended;
  }
}

function botanu(...args: readonly string[]): Promise<Ended> {
  return new Botanu(args).ended;
}

/** A running `botanu dev` and where it listens. */
async function startDev(...args: readonly string[]): Promise<{ readonly dev: Botanu; readonly url: string }> {
  const dev = new Botanu(["dev", "--port", "0", ...args]);
  const [, url = ""] = await dev.says(/OTLP at (http:\S+)/);
  return { dev, url };
}

async function post(url: string, body: BodyInit, headers: Record<string, string> = JSON_TYPE): Promise<number> {
  return (await fetch(`${url}/v1/traces`, { method: "POST", headers, body })).status;
}

/** A store with {@link SKETCHES} in it, whose receiver has ended. */
async function fillStore(...sketches: readonly Sketch[]): Promise<void> {
  const { dev, url } = await startDev();
  expect(await post(url, JSON.stringify(otlpJson(...(sketches.length > 0 ? sketches : SKETCHES))))).toBe(200);
  expect((await dev.end()).code).toBe(0);
}

describe("botanu dev", () => {
  it("receives JSON, protobuf and gzip, shows them, and keeps them past its end", async () => {
    const { dev, url } = await startDev();
    const [first, second, third] = SKETCHES as [Sketch, Sketch, Sketch];
    expect(await post(url, JSON.stringify(otlpJson(first)))).toBe(200);
    const protobuf = { "content-type": "application/x-protobuf" };
    expect(await post(url, encodeRequest(otlpJson(second)) as BodyInit, protobuf)).toBe(200);
    const zipped = gzipSync(JSON.stringify(otlpJson(third)));
    expect(await post(url, zipped, { ...JSON_TYPE, "content-encoding": "gzip" })).toBe(200);
    await dev.says(/POST \/orders[\s\S]*GET pay[\s\S]*GET pay/);
    const { code, out } = await dev.end("SIGINT");
    expect(code).toBe(0);
    expect(out).toContain("3 spans received");
    expect(JSON.parse((await botanu("runs", "--json")).out)).toMatchObject([{ runId: RUN, carrying: 3, inherited: 0 }]);
  });

  it("refuses what is none, and loses nothing that was stored", async () => {
    const { dev, url } = await startDev();
    expect(await post(url, JSON.stringify(otlpJson(...SKETCHES)))).toBe(200);
    const bomb = gzipSync(Buffer.alloc(200 << 20));
    expect([
      await post(url, "{"),
      await post(url, '{"resourceSpans":7}'),
      await post(url, "\u0001\u0002", { "content-type": "application/x-protobuf" }),
      await post(url, "a=1", { "content-type": "text/plain" }),
      await post(url, bomb, { ...JSON_TYPE, "content-encoding": "gzip" }),
      await post(url, "x", { ...JSON_TYPE, "content-encoding": "br" }),
      await post(url, "{}", { ...JSON_TYPE, origin: "https://evil.example" }),
    ]).toEqual([400, 400, 400, 415, 413, 415, 403]);
    await dev.end();
    expect(JSON.parse((await botanu("runs", "--json")).out)).toMatchObject([{ runId: RUN, carrying: 4, inherited: 1 }]);
  });

  it("says who has the port", async () => {
    const { url } = await startDev();
    const { code, err } = await botanu("dev", "--port", new URL(url).port, "--db", join(folder, "other.db"));
    expect([code, err]).toEqual([2, expect.stringMatching(/^botanu: .*port.*\n {2}\S/i)]);
  });

  it("keeps the newest runs within its bounds", async () => {
    const { dev, url } = await startDev("--max-spans", "10");
    for (let index = 0; index < 8; index++) {
      const run = RUN.slice(0, -1) + index;
      const sketches = Array.from({ length: 4 }, (_, id) => ({
        id: 10 * index + id + 1,
        trace: index + 1,
        run,
        at: index * 1000,
      }));
      expect(await post(url, JSON.stringify(otlpJson(...sketches)))).toBe(200);
    }
    await dev.end();
    const kept = JSON.parse((await botanu("runs", "--json")).out) as { runId: string; carrying: number }[];
    expect(kept.reduce((sum, { carrying }) => sum + carrying, 0)).toBeLessThanOrEqual(10);
    expect(kept[0]?.runId).toBe(`${RUN.slice(0, -1)}7`);
  });

  it("lets others read while it writes", async () => {
    const { url } = await startDev();
    await post(url, JSON.stringify(otlpJson(...SKETCHES)));
    expect((await botanu("run", "latest")).out).toContain("POST /orders");
  });
});

describe("botanu dev -- <command>", () => {
  const script = (text: string): string => {
    const file = join(folder, "app.mjs");
    writeFileSync(file, text);
    return file;
  };

  it("gives the command what it needs to send spans, its own output, and its exit code", async () => {
    const app = script(`
      const { OTEL_EXPORTER_OTLP_ENDPOINT: at, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_TRACES_EXPORTER, OTEL_PROPAGATORS } = process.env;
      const body = ${JSON.stringify(JSON.stringify(otlpJson(...SKETCHES)))};
      const reply = await fetch(at + "/v1/traces", { method: "POST", body, headers: { "content-type": "application/json" } });
      console.log(JSON.stringify([reply.status, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_TRACES_EXPORTER, OTEL_PROPAGATORS]));
      process.exitCode = 7;`);
    const { code, out, err } = await botanu("dev", "--port", "0", "--", process.execPath, app, "--json", "--help");
    expect(code).toBe(7);
    expect(JSON.parse(out)).toEqual([200, "http/protobuf", "otlp", "tracecontext,baggage"]);
    expect(err).toContain("5 spans received");
  });

  it("hands its signals on, and ends a command that is stubborn", async () => {
    const app = script(`
      process.on("SIGTERM", () => console.log("asked"));
      setInterval(() => {}, 1000);
      console.log("up");`);
    const dev = new Botanu(["dev", "--port", "0", "--", process.execPath, app]);
    await dev.says(/up/);
    void dev.end("SIGTERM");
    await dev.says(/asked/);
    expect((await dev.end("SIGTERM")).code).toBe(128 + 9);
  });

  it.each([
    ["is not there", "no-such-command-of-mine", 127],
    ["is ended by a signal", undefined, 143],
  ])("tells of a command that %s as a shell does", async (_title, name, expected) => {
    const app = script('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);');
    const command = name === undefined ? [process.execPath, app] : [name];
    expect((await botanu("dev", "--port", "0", "--", ...command)).code).toBe(expected);
  });
});

describe("botanu run and runs", () => {
  beforeEach(() => fillStore());

  it("show the run whole: over its traces, with attempts, links and errors", async () => {
    const { code, out } = await botanu("run", RUN.slice(0, 12));
    expect(code).toBe(0);
    for (const text of [
      "POST /orders",
      "2 attempts, 1 failed",
      "no connection",
      "process orders",
      "linked to",
      "2 traces",
    ]) {
      expect(out).toContain(text);
    }
    // eslint-disable-next-line no-control-regex
    expect(out).not.toMatch(/\u001b/);
  });

  it("speak JSON", async () => {
    const run = JSON.parse((await botanu("run", "--json")).out) as { runId: string };
    expect(run).toMatchObject({ runId: RUN });
    expect(JSON.parse((await botanu("runs", "--json", "--workflow", "other")).out)).toEqual([]);
    expect((await botanu("runs")).out).toContain("order");
  });

  it("tell a run that is not there from a question that cannot be meant", async () => {
    expect(await botanu("run", "ffff")).toMatchObject({ code: 1, out: "", err: expect.stringContaining("no run") });
    await fillStore(...SKETCHES, { id: 9, trace: 9, run: OTHER_RUN });
    expect(await botanu("run", RUN.slice(0, 8))).toMatchObject({ code: 2, err: expect.stringContaining("several") });
  });
});

describe("botanu coverage", () => {
  it("says who carries the run, who does not, why, and what to do", async () => {
    await fillStore();
    const { code, out } = await botanu("coverage");
    expect(code).toBe(0);
    for (const service of ["edge", "mail", "templates"]) expect(out).toContain(service);
    const report = JSON.parse((await botanu("coverage", "--json")).out) as { percent: number };
    expect(report.percent).toBeGreaterThan(0);
    expect(report.percent).toBeLessThan(100);
  });

  it("is a finding below its limit, and none at it", async () => {
    await fillStore(SKETCHES[0] as Sketch);
    expect((await botanu("coverage", "--fail-under", "100")).code).toBe(0);
    await fillStore(...SKETCHES);
    expect(await botanu("coverage", "--fail-under", "99")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/ is under 99 %/),
    });
  });
});

describe("botanu tail", () => {
  it("prints what is there, what comes, and ends when asked", async () => {
    const { url } = await startDev();
    await post(url, JSON.stringify(otlpJson(SKETCHES[0] as Sketch)));
    const tail = new Botanu(["tail"]);
    await tail.says(/POST \/orders/);
    await post(url, JSON.stringify(otlpJson(...SKETCHES.slice(1))));
    await tail.says(/process orders/);
    expect((await tail.end("SIGINT")).code).toBe(0);
  });

  it("is a stream of JSON, one span in a line", async () => {
    await fillStore();
    const { code, out } = await botanu("tail", "--json", "--no-follow", "-n", "3");
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { name: string });
    expect([code, lines.map(({ name }) => name)]).toEqual([0, ["GET pay", "process orders", "render"]]);
    expect((await botanu("tail", "--no-follow", "--errors")).out.trim().split("\n")).toHaveLength(1);
  });
});

describe("wrong usage", () => {
  it.each([
    ["no command", [], /receives, stores, shows/, "out"],
    ["an unknown command", ["runn"], /no command runn/, "err"],
    ["an unknown option", ["runs", "--fial"], /--fial/, "err"],
    ["a value that is no number", ["runs", "--limit", "many"], /--limit takes a number/, "err"],
    ["a value that is missing", ["coverage", "--fail-under"], /fail-under/, "err"],
    ["a limit over 100", ["coverage", "--fail-under", "101"], /from 0 to 100/, "err"],
    ["a time that is none", ["runs", "--since", "soon"], /--since takes a time/, "err"],
    ["an argument too many", ["runs", "latest"], /unexpected argument latest/, "err"],
    ["a host that others could reach", ["dev", "--host", "0.0.0.0"], /0\.0\.0\.0/, "err"],
    ["a store that is not there", ["runs"], /.+/, "err"],
  ] as const)("with %s is said and is 2", async (_title, args, pattern, stream) => {
    const result = await botanu(...args);
    expect(result.code).toBe(2);
    expect(result[stream]).toMatch(pattern);
    expect(result.err).not.toMatch(/\n\s+at /);
  });

  it("with a store that is something else is said and is 2, and the file stays as it is", async () => {
    writeFileSync(join(folder, "runs.db"), "not a database, but long enough to be looked at as one");
    expect(await botanu("runs")).toMatchObject({ code: 2, err: expect.stringMatching(/^botanu: /) });
    expect(await botanu("dev", "--port", "0")).toMatchObject({ code: 2, err: expect.stringMatching(/^botanu: /) });
  });

  it("is none for help and version", async () => {
    for (const args of [["--help"], ["help"], ["runs", "--help"], ["--version"]]) {
      expect(await botanu(...args)).toMatchObject({ code: 0, err: "" });
    }
  });
});
