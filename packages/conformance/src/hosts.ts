// The runtimes that the portable suite runs on, and how each is started on one bundled file.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import type { Report } from "./case.ts";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const MILLIS = 60_000;
const require = createRequire(import.meta.url);
const NODE = process.execPath;

/** A runtime: `probe` rejects with the reason when it cannot start here, `run` gives the suite's report. */
export interface SuiteHost {
  readonly title: string;
  probe(): Promise<void>;
  run(folder: string, receiver: string): Promise<Report>;
}

/** The `node` that is found without this repository's own, or undefined. */
export function machineNode(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  return folders.map((folder) => join(folder, "node")).find((file) => existsSync(file));
}

/** A command that runs one file, with the words before that file's name. */
interface Command {
  readonly program: string | undefined;
  readonly before?: readonly string[];
}

function processHost(title: string, { program, before = [] }: Command, args: readonly string[] = []): SuiteHost {
  return {
    title,
    probe: async () => void (await run(program, [...before, "--version"])),
    run: async (folder, receiver) => {
      const file = join(folder, "run-process.mjs");
      await bundle("run-process", file, []);
      return reportOf(await run(program, [...before, ...args, file], { FAULT_RECEIVER: receiver }));
    },
  };
}

const BUN = require.resolve("bun/bin/bun.exe");
const DENO = require.resolve("deno/bin.cjs");
const WORKERD = require.resolve("workerd/bin/workerd");

/** The newest date whose defaults are still without Node, and one whose defaults have it (from 2026-08-04). */
const OLD_DATE = "2026-07-01";
const NEW_DATE = "2026-11-01";

interface Lane {
  readonly date: string;
  readonly flags: readonly string[];
  /** Whether the main entries find a store, and whether the asynchronous entry does. */
  readonly store: { readonly main: boolean; readonly async: boolean };
}

// Switching Node compatibility off takes both flags: with the first alone it is still there.
const LANES: readonly Lane[] = [
  { date: OLD_DATE, flags: [], store: { main: false, async: false } },
  { date: OLD_DATE, flags: ["nodejs_als"], store: { main: false, async: true } },
  { date: NEW_DATE, flags: [], store: { main: true, async: true } },
  { date: NEW_DATE, flags: ["no_nodejs_compat", "no_nodejs_compat_v2"], store: { main: false, async: false } },
];

/** Every runtime but the one that runs the tests. */
export const HOSTS: readonly SuiteHost[] = [
  processHost("the machine's own Node", { program: machineNode() }),
  processHost("Bun", { program: BUN }),
  processHost("Deno", { program: NODE, before: [DENO] }, [
    "run",
    "--allow-net=127.0.0.1",
    "--allow-env=FAULT_RECEIVER",
    "--no-config",
    "--no-lock",
    "--cached-only",
  ]),
  ...workerdLanes(),
];

function workerdLanes(): SuiteHost[] {
  return LANES.flatMap((lane) =>
    (["main", "async"] as const).map((entry) => ({
      title: `workerd at ${[lane.date, ...lane.flags].join(" ")}, ${entry} entry, ${lane.store[entry] ? "store" : "no store"}`,
      probe: async () => void (await run(NODE, [WORKERD, "--version"])),
      run: (folder: string, receiver: string) => runInWorkerd(lane, entry, folder, receiver),
    })),
  );
}

async function runInWorkerd(lane: Lane, entry: "main" | "async", folder: string, receiver: string): Promise<Report> {
  const source = entry === "main" ? "run-workerd" : "run-workerd-async";
  await bundle(source, join(folder, `${source}.mjs`), ["workerd", "worker", "browser"]);
  const config = join(folder, `${source}-${lane.date}-${lane.flags.join("-")}.capnp`);
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
 (name = "internet", network = (allow = ["private"])),
 (name = "suite", worker = (
  modules = [(name = "suite.mjs", esModule = embed "${source}.mjs")],
  compatibilityDate = "${lane.date}",
  compatibilityFlags = [${lane.flags.map((flag) => JSON.stringify(flag)).join(", ")}],
  bindings = [
   (name = "STORE", text = "${lane.store[entry] ? "yes" : "no"}"),
   (name = "FAULT_RECEIVER", text = "${receiver}"),
  ],
))]);
`,
  );
  return reportOf(await run(NODE, [WORKERD, "test", config]));
}

async function bundle(entry: string, outfile: string, conditions: readonly string[]): Promise<void> {
  await build({
    entryPoints: [join(PACKAGE, "src", `${entry}.ts`)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    conditions: [...conditions],
    external: ["node:*"],
    logLevel: "silent",
  });
}

/** Runs a command to its end; resolves with its standard output, rejects with what it said on failure. */
function run(
  command: string | undefined,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  if (command === undefined) return Promise.reject(new Error("not found on this machine"));
  return new Promise((resolve, reject) => {
    // Colours and version checks are no part of a report.
    const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...variables };
    execFile(command, args, { timeout: MILLIS, maxBuffer: 1 << 24, env }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command}: ${error.message}\n${stdout}\n${stderr}`));
      else resolve(stdout);
    });
  });
}

function reportOf(output: string): Report {
  const line = output.split("\n").find((each) => each.startsWith("{"));
  if (line === undefined) throw new Error(`no report in ${JSON.stringify(output)}`);
  return JSON.parse(line) as Report;
}
