// The command that `botanu dev -- <command>` runs: its environment, its signals, and its end.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

type Env = Readonly<Record<string, string | undefined>>;

/** How long processes get to end by themselves before they are ended, in milliseconds. */
const GRACE_MILLIS = 5000;

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const POLL_MILLIS = 50;

/** The variables that send the spans of any OpenTelemetry SDK to a receiver, in the order in which they are shown. */
export function otelVariables(url: string): Readonly<Record<string, string>> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_PROPAGATORS: "tracecontext,baggage",
  };
}

/** The environment of the command. What would send its spans elsewhere is taken out; what is only a default can be overruled. */
export function commandEnvironment(url: string, env: Env): Record<string, string> {
  const defaults = {
    OTEL_METRICS_EXPORTER: "none",
    OTEL_LOGS_EXPORTER: "none",
    // A batch twice a second, so that the live tail is live.
    OTEL_BSP_SCHEDULE_DELAY: "500",
    // The detectors for clouds ask the network, and wait for it.
    OTEL_NODE_RESOURCE_DETECTORS: "env,host,process",
  };
  const elsewhere = new Set(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]);
  const given = Object.entries(env).filter(([name, value]) => value !== undefined && !elsewhere.has(name));
  return { ...defaults, ...(Object.fromEntries(given) as Record<string, string>), ...otelVariables(url) };
}

/** What in the environment keeps a command from being traced as asked; one line each. */
export function environmentWarnings(env: Env): string[] {
  const warnings: string[] = [];
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true")
    warnings.push("OTEL_SDK_DISABLED=true: the command will send no spans");
  if (env["OTEL_CONFIG_FILE"]) warnings.push("OTEL_CONFIG_FILE is set: SDKs then read no other OTEL_ variable");
  const sampler = env["OTEL_TRACES_SAMPLER"] ?? "always_on";
  if (!sampler.endsWith("always_on")) warnings.push(`OTEL_TRACES_SAMPLER=${sampler}: not every run will be seen whole`);
  return warnings;
}

/**
 * Runs a command to its end: signals go on to it, and whatever it started ends with it, the stubborn ones too.
 *
 * @returns its exit code as a shell gives it: 128 and the signal's number after a signal, 127 where it was not found
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  env: Env,
  graceMillis: number = GRACE_MILLIS,
): Promise<number> {
  // In a process group of its own all of it can be ended at once. At a terminal it has to stay in the foreground group,
  // where the terminal itself sends it Ctrl-C.
  const grouped = process.stdin.isTTY !== true && process.platform !== "win32";
  const shell = process.platform === "win32";
  const child = spawn(command, [...args], { stdio: "inherit", env: { ...env }, detached: grouped, shell });
  const family = new Family(child, grouped);
  let asked = 0;
  const forward = (signal: NodeJS.Signals): void => {
    asked += 1;
    if (asked > 1) family.signal("SIGKILL");
    else {
      if (grouped || signal !== "SIGINT") family.signal(signal);
      family.remember();
      setTimeout(() => family.signal("SIGKILL"), graceMillis).unref();
    }
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    const code = await ended(child);
    await family.end(graceMillis);
    return code;
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      process.stderr.write(`botanu: ${error.message}\n`);
      resolve(error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE);
    });
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** A command and the processes that it started. */
class Family {
  readonly #pid: number | undefined;
  readonly #grouped: boolean;
  #descendants: readonly number[] = [];

  constructor(child: ChildProcess, grouped: boolean) {
    this.#pid = child.pid;
    this.#grouped = grouped;
  }

  /** Notes who belongs to it while that can still be told: once the command is gone, its children have another parent. */
  remember(): void {
    if (!this.#grouped && this.#pid !== undefined) this.#descendants = descendants(this.#pid);
  }

  signal(signal: NodeJS.Signals | 0): boolean {
    if (this.#pid === undefined) return false;
    const targets = this.#grouped ? [-this.#pid] : [this.#pid, ...this.#descendants];
    return targets.map((target) => send(target, signal)).includes(true);
  }

  /** Ends what is left when the command itself is gone. */
  async end(graceMillis: number): Promise<void> {
    if (!this.signal("SIGTERM")) return;
    for (let waited = 0; waited < graceMillis; waited += POLL_MILLIS) {
      if (!this.signal(0)) return;
      await sleep(POLL_MILLIS);
    }
    this.signal("SIGKILL");
  }
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Pids below a process, by the parent that each process names in /proc; none where there is no /proc. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  try {
    for (const pid of readdirSync("/proc").filter((each) => /^\d+$/.test(each)))
      parents.set(Number(pid), parentOf(pid));
  } catch {
    return [];
  }
  const found = new Set([root]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  found.delete(root);
  return [...found];
}

function parentOf(pid: string): number {
  try {
    // The name in brackets may hold anything; state and parent come after its end.
    return Number(
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")[1],
    );
  } catch {
    return 0;
  }
}
