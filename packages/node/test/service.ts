// Runs services without tracing code under the preload, between a loopback upstream and a loopback OTLP receiver.

import { execFileSync, fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";

/** Services without tracing code. */
export const FIXTURES: string = new URL("../fixtures", import.meta.url).pathname;
const PACKAGE = new URL("..", import.meta.url).pathname;

/** What the tests look at of a received span. */
export interface ReceivedSpan {
  readonly name: string;
  readonly scope: string;
  readonly kind: number;
  readonly traceId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
}

interface JsonAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Receives OTLP and takes it apart; `mode` makes it fail. */
export interface Receiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  readonly requests: Array<{ readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: Buffer }>;
  mode: "answer" | "hang" | "fail";
  close(): void;
}

/** Answers every request and remembers what came. */
export interface Upstream {
  readonly port: number;
  readonly requests: Array<{ readonly url: string; readonly headers: IncomingHttpHeaders }>;
  close(): void;
}

export async function startReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (receiver.mode === "hang") return;
      if (receiver.mode === "fail") return void response.writeHead(500).end();
      const sent = Buffer.concat(chunks);
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
      receiver.requests.push({ url: request.url ?? "", headers: request.headers, body });
      if (request.url === "/v1/traces" && request.headers["content-type"] === "application/json")
        receiver.spans.push(...spansOf(body.toString()));
      response.writeHead(200, { "content-type": request.headers["content-type"] }).end();
    });
  });
  const receiver: Receiver = {
    url: `http://127.0.0.1:${await listen(server)}`,
    spans: [],
    requests: [],
    mode: "answer",
    close: () => close(server),
  };
  return receiver;
}

interface JsonTraces {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: readonly JsonAttribute[] };
    readonly scopeSpans: ReadonlyArray<{
      readonly scope: { readonly name: string };
      readonly spans: ReadonlyArray<
        Omit<ReceivedSpan, "attributes"> & { readonly attributes?: readonly JsonAttribute[] }
      >;
    }>;
  }>;
}

function spansOf(text: string): ReceivedSpan[] {
  return (JSON.parse(text) as JsonTraces).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        ...span,
        scope: scope.name,
        attributes: record(span.attributes),
        resource: record(resource.attributes),
      })),
    ),
  );
}

function record(attributes: readonly JsonAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

export async function startUpstream(): Promise<Upstream> {
  const requests: Upstream["requests"] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url ?? "", headers: request.headers });
    response.end("ok");
  });
  return { port: await listen(server), requests, close: () => close(server) };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function close(server: Server): void {
  server.closeAllConnections();
  server.close();
}

/** The package as it is published: the preload, one file for any Node with its door for `--require`, and `enable`. */
export async function buildPreload(): Promise<{ readonly doors: Doors; readonly enable: string; remove(): void }> {
  const folder = join(PACKAGE, "node_modules", ".cache", `preload-test-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const options = { platform: "node", target: "node20", logLevel: "error" } as const;
  const doors = { "--import": join(folder, "register.js"), "--require": join(folder, "register.cjs") };
  const enable = join(folder, "index.js");
  const source = join(PACKAGE, "src", "register");
  await Promise.all([
    build({
      ...options,
      entryPoints: [`${source}.ts`],
      outfile: doors["--import"],
      bundle: true,
      format: "esm",
      external: ["@opentelemetry/*"],
    }),
    build({
      ...options,
      entryPoints: [join(PACKAGE, "src", "index.ts")],
      outfile: enable,
      bundle: true,
      format: "esm",
      external: ["@opentelemetry/*"],
    }),
    build({ ...options, entryPoints: [`${source}.cts`], outfile: doors["--require"] }),
  ]);
  return { doors, enable, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The file that each option of Node takes. */
export type Doors = Readonly<Record<"--import" | "--require", string>>;

/** A Node 20 of the machine, where the first supported release is tested. */
export function findNode20(): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(":")
    .map((folder) => join(folder, "node"))
    .find(isNode20);
}

function isNode20(path: string): boolean {
  try {
    return existsSync(path) && execFileSync(path, ["--version"], { encoding: "utf8" }).startsWith("v20.");
  } catch {
    return false;
  }
}

/** A running service. */
export interface Service {
  readonly port: number;
  readonly child: ChildProcess;
  readonly stderr: () => string;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Sends a signal and waits for the end, in milliseconds from the signal. */
  stop(
    signal?: NodeJS.Signals,
  ): Promise<{ readonly code: number | null; readonly signal: string | null; readonly millis: number }>;
}

export interface ServiceOptions {
  readonly file: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly node?: string | undefined;
}

export async function startService({ file, flags, env, node = process.execPath }: ServiceOptions): Promise<Service> {
  const child = fork(file, { execPath: node, execArgv: [...flags], env: { ...clean(), ...env }, silent: true });
  let errors = "";
  child.stderr?.on("data", (text) => (errors += String(text)));
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  const first = await Promise.race([once(child, "message"), ended.then(() => undefined)]);
  if (first === undefined) throw new Error(`the service ended at start: ${errors}`);
  const port = Number(first[0]);
  return {
    port,
    child,
    stderr: () => errors,
    get: (path, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers }),
    async stop(signal = "SIGTERM") {
      const start = performance.now();
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      const [code, by] = await ended;
      clearTimeout(timer);
      return { code, signal: by, millis: performance.now() - start };
    },
  };
}

/** Without what the test runner itself was given. */
function clean(): Record<string, string | undefined> {
  const names = Object.keys(process.env).filter((name) => !/^(OTEL_|BOTANU_|VITEST|NODE_)/.test(name));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}
