// A function's environment: AWS's own runtime client in a process of its own, which is stopped whenever the platform would freeze it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { OtlpSink, type SunkSpan } from "../otlp-sink.ts";
import { type InvocationAnswer, type InvocationOptions, RuntimeApi } from "./runtime-api.ts";

const require = createRequire(import.meta.url);
const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));
const PRELOAD = fileURLToPath(new URL("native-client.cjs", import.meta.url));

/** The major version of AWS's runtime client: 4 is that of Node 24, 3 the last one with callbacks. */
export type RuntimeClient = 3 | 4;

export interface LambdaHostOptions {
  /**
   * The module of the handler, whose export `handler` it is; another one as `file.mjs#name`. One in TypeScript, or that imports
   * `@botanu/…` by name, is bundled first, as it would be to be deployed.
   */
  readonly handler: string;
  /** Default 4. */
  readonly client?: RuntimeClient | undefined;
  /** How long the receiver of spans takes to answer. Default 0. */
  readonly backendDelayMillis?: number | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Stops the process while it is idle, as the platform does. Default true. */
  readonly freeze?: boolean | undefined;
  /** The `node` to run it with. Default: this one. */
  readonly node?: string | undefined;
  /** `AWS_LAMBDA_EXEC_WRAPPER`: a program that starts the runtime. */
  readonly wrapper?: string | undefined;
  /** Names the receiver by an address that does not say that it is on this machine. */
  readonly remote?: boolean | undefined;
}

/** One invocation: its answer, and the spans that had arrived when the environment was frozen after it. */
export interface Invoked extends InvocationAnswer {
  readonly spans: readonly SunkSpan[];
  /** From the handing over of the event until the freeze. */
  readonly billedMs: number;
}

export class LambdaHost {
  readonly api: RuntimeApi;
  readonly sink: OtlpSink;
  readonly #options: LambdaHostOptions;
  /** Where a bundled handler is. */
  readonly #folder: string;
  #file = "";
  #child: ChildProcess | undefined;
  #output = "";
  #seen = 0;

  private constructor(api: RuntimeApi, sink: OtlpSink, options: LambdaHostOptions) {
    this.api = api;
    this.sink = sink;
    this.#options = options;
    this.#folder = mkdtempSync(join(tmpdir(), "botanu-lambda-"));
  }

  /** Starts the API and a receiver of spans. The function itself starts with its first event. */
  static async start(options: LambdaHostOptions): Promise<LambdaHost> {
    const host = new LambdaHost(await RuntimeApi.listen(), await OtlpSink.listen(options.backendDelayMillis), options);
    host.#file = await deployable(resolve(options.handler.split("#")[0] ?? ""), host.#folder);
    return host;
  }

  /** What the function has written. */
  get output(): string {
    return this.#output;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the function, unless it runs, and waits until it asks for its first event. @throws Error when it cannot be initialized */
  async initialize(): Promise<void> {
    if (this.#child) return;
    this.api.initError = undefined;
    const child = this.#spawn();
    this.#child = child;
    await this.api.until(() => this.api.isIdle || this.api.initError !== undefined || this.#child !== child);
    const initError = this.api.initError as InvocationAnswer["error"];
    if (initError) throw new Error(`${initError.errorType}: ${initError.errorMessage}`);
    if (this.#child !== child) throw new Error(`the function ended: ${this.#output}`);
  }

  /** Invokes the function, waits for its answer, and freezes it when it is idle. */
  async invoke(event: unknown, options: InvocationOptions = {}): Promise<Invoked> {
    await this.initialize();
    this.#child?.kill("SIGCONT");
    const started = performance.now();
    const { timeoutMillis = 3000 } = options;
    const timer = setTimeout(() => this.#timeOut(timeoutMillis), timeoutMillis);
    const answer = await this.api.invoke(event, options);
    clearTimeout(timer);
    await this.api.until(() => this.api.isIdle || this.#child === undefined);
    if (this.#options.freeze !== false) this.#child?.kill("SIGSTOP");
    const billedMs = performance.now() - started;
    // What was on its way when the process stopped arrives all the same.
    await this.sink.settled();
    const spans = this.sink.spans.slice(this.#seen);
    this.#seen = this.sink.spans.length;
    return { ...answer, spans, billedMs };
  }

  /** Ends the environment as the platform does: extensions are told, then asked, then not asked. */
  async shutdown(graceMillis = 500): Promise<void> {
    const child = this.#child;
    if (child) {
      child.kill("SIGCONT");
      const asked = this.api.extensions.length > 0;
      this.api.sendShutdown();
      if (asked) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), asked ? graceMillis : 0);
      await this.api.until(() => this.#child !== child);
      clearTimeout(timer);
    }
    await this.sink.settled();
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    const child = this.#child;
    child?.kill("SIGKILL");
    if (child) await this.api.until(() => this.#child !== child);
    await this.api.close();
    await this.sink.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #timeOut(millis: number): void {
    this.#child?.kill("SIGKILL");
    this.api.fail({
      errorType: "Sandbox.Timedout",
      errorMessage: `Task timed out after ${(millis / 1000).toFixed(2)} seconds`,
    });
  }

  #spawn(): ChildProcess {
    const { client = 4, node = process.execPath, wrapper } = this.#options;
    const [, name = "handler"] = this.#options.handler.split("#");
    const handler = `${basename(this.#file, extname(this.#file))}.${name}`;
    const root = dirname(this.#file);
    const entry = clientEntry(client);
    const command = [node, "--require", PRELOAD, entry];
    // As the platform calls it: the program that starts the runtime, with the runtime as its arguments.
    const [program = "", ...args] = wrapper === undefined ? command : [wrapper, ...command];
    const child = spawn(program, args, {
      cwd: root,
      env: this.#environment(root, handler),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (data: Buffer): void => void (this.#output = (this.#output + data.toString()).slice(-65_536));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
      this.api.fail({ errorType: "Runtime.ExitError", errorMessage: "the runtime exited before it answered" });
    });
    return child;
  }

  #environment(root: string, handler: string): Record<string, string> {
    const { client = 4, env, remote } = this.#options;
    const { port } = new URL(this.sink.endpoint);
    return {
      PATH: process.env["PATH"] ?? "",
      AWS_LAMBDA_RUNTIME_API: this.api.address,
      _HANDLER: handler,
      LAMBDA_TASK_ROOT: root,
      AWS_REGION: "eu-central-1",
      AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${client === 4 ? 24 : 20}.x`,
      AWS_LAMBDA_FUNCTION_NAME: "orders",
      AWS_LAMBDA_FUNCTION_VERSION: "7",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "512",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/orders",
      AWS_LAMBDA_LOG_STREAM_NAME: "2026/11/24/[7]0123456789abcdef",
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      // The same receiver, by its IPv4 address in IPv6 form, which no rule takes for this machine.
      OTEL_EXPORTER_OTLP_ENDPOINT: remote ? `http://[::ffff:127.0.0.1]:${port}` : this.sink.endpoint,
      ...env,
    };
  }
}

/** The file to run: the given one, or its bundle. */
async function deployable(file: string, folder: string): Promise<string> {
  const text = readFileSync(file, "utf8");
  if (!file.endsWith(".ts") && !/["']@botanu\//.test(text)) return file;
  const isCommonJs = file.endsWith(".cjs") || (file.endsWith(".js") && /\bmodule\.exports\b|\bexports\./.test(text));
  const outfile = join(folder, `function.${isCommonJs ? "cjs" : "mjs"}`);
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: "node",
    format: isCommonJs ? "cjs" : "esm",
    target: "node20",
    nodePaths: [MODULES],
    logLevel: "error",
  });
  return outfile;
}

function clientEntry(client: RuntimeClient): string {
  return client === 4
    ? require.resolve("aws-lambda-ric/index.mjs")
    : fileURLToPath(new URL("runtime-client-3.mjs", import.meta.url));
}
