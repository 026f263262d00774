// The door of the repository: each root command of package.json comes here with nothing installed but git, Node and npm.
// It installs what the command needs (Node 24 and pnpm included, into node_modules), builds, and runs it.
// What it says goes to standard error, so that a command's own output stays clean.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BIN = join(ROOT, "node_modules", ".bin");
/** The program itself: the script that pnpm puts before it would not pass signals on, and would leave it behind. */
const NODE = join(ROOT, "node_modules", "node", "bin", "node");
const STAMP = join(ROOT, "node_modules", ".setup");
const OLDEST_NODE = 20;

const env = {
  ...process.env,
  PATH: `${BIN}${delimiter}${process.env.PATH ?? ""}`,
  DO_NOT_TRACK: "1",
  TURBO_TELEMETRY_DISABLED: "1",
};

/** Each command: what has to be built for it, and what it runs with Node 24 once that stands. */
const TASKS = {
  demo: { build: ["@botanu/demo"], run: (args) => [NODE, ["apps/demo/src/index.ts", ...args]] },
  bench: { build: ["@botanu/bench"], run: (args) => [NODE, ["apps/bench/src/index.ts", ...args]] },
  botanu: { build: ["@botanu/cli"], run: (args) => [NODE, ["packages/cli/dist/botanu.js", ...args]] },
  "harness-app": { build: [], run: (args) => [NODE, ["packages/conformance/src/harness/start.ts", ...args]] },
  "lambda-host": { build: [], run: (args) => [NODE, ["packages/conformance/src/lambda/start.ts", ...args]] },
  build: { build: ["*"], run: undefined },
  check: { build: ["*"], run: (args) => [NODE, [".config/check.mjs", ...args]] },
  test: { build: ["*"], run: (args) => [NODE, [".config/test.mjs", ...args]] },
};

const [name = "", ...args] = process.argv.slice(2);
const task = TASKS[name];
if (task === undefined) {
  say(`no command ${JSON.stringify(name)}; there are: ${Object.keys(TASKS).join(", ")}`);
  process.exit(2);
}
if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE) {
  say(`Node ${OLDEST_NODE} or later is needed, this is ${process.version}`);
  process.exit(2);
}

await install();
await build(task.build);
if (task.run !== undefined) {
  const [command, commandArgs] = task.run(args);
  process.exitCode = await run(command, commandArgs, { stdio: "inherit" });
}

/** Installs from the lock file, unless the last installation was of the same one. */
async function install() {
  const wanted = fingerprint();
  if (existsSync(join(BIN, "node")) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
  const started = Date.now();
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  say(`installing with ${packageManager} (about a minute the first time, nothing global) …`);
  const code = await run("npx", ["--yes", packageManager, "install", "--frozen-lockfile", "--reporter=append-only"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (code !== 0) fail("the installation failed", code);
  writeFileSync(STAMP, wanted);
  say(`installed in ${seconds(started)}`);
}

/** Builds the packages that a command runs from their build product; unchanged ones come from turbo's cache. */
async function build(packages) {
  if (packages.length === 0) return;
  const started = Date.now();
  say(`building ${packages.includes("*") ? "every package" : packages.join(", ")} …`);
  const filters = packages.includes("*") ? [] : packages.map((each) => `--filter=${each}...`);
  const code = await run("turbo", ["run", "build", "--output-logs=errors-only", "--no-update-notifier", ...filters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (code !== 0) fail("the build failed", code);
  say(`built in ${seconds(started)}`);
}

/** Runs a command to its end and forwards the signals that this process gets. With pipes, shows the output only of a failure. */
function run(command, commandArgs, { stdio }) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd: ROOT, env, stdio });
    const held = [];
    child.stdout?.on("data", (chunk) => held.push(chunk));
    child.stderr?.on("data", (chunk) => held.push(chunk));
    const forward = (signal) => child.kill(signal);
    process.on("SIGINT", forward).on("SIGTERM", forward);
    child.on("error", (error) => {
      say(`${command}: ${error.message}`);
      resolve(1);
    });
    child.on("close", (code, signal) => {
      process.off("SIGINT", forward).off("SIGTERM", forward);
      if (code !== 0 && held.length > 0) process.stderr.write(Buffer.concat(held));
      resolve(code ?? (signal === "SIGINT" ? 130 : 143));
    });
  });
}

/** What the installation depends on: the lock file, the settings and every manifest. */
function fingerprint() {
  const hash = createHash("sha256").update(process.platform + process.arch);
  const manifests = ["packages", "packages/conformance", "apps", "apps/bench"].flatMap((folder) =>
    existsSync(join(ROOT, folder))
      ? readdirSync(join(ROOT, folder)).map((each) => join(folder, each, "package.json"))
      : [],
  );
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json", ...manifests.toSorted()]) {
    const path = join(ROOT, file);
    if (existsSync(path)) hash.update(file).update(readFileSync(path));
  }
  return hash.digest("hex");
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function say(text) {
  process.stderr.write(`botanu: ${text}\n`);
}

function fail(text, code) {
  say(text);
  process.exit(code || 1);
}
