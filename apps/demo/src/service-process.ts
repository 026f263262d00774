import { type ChildProcess, spawn } from "node:child_process";

/** A service of the demo that runs as a process of its own. */
export interface ServiceProcess {
  readonly name: string;
  readonly url: string;
  /** Asks the process to end and waits; after `graceMillis` it is killed. */
  stop(graceMillis?: number): Promise<void>;
}

export interface ServiceOptions {
  readonly name: string;
  readonly file: URL;
  /** Modules that Node loads before the service, as `--import` takes them. */
  readonly preloads: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const READY_WITHIN_MILLIS = 30_000;
const STOP_GRACE_MILLIS = 3_000;

/**
 * Starts a service on a free port and resolves when it says which.
 *
 * @throws when the process ends, or stays silent, before it listens; the error carries what it wrote.
 */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const { name, file, preloads, env } = options;
  const args = preloads.flatMap((each) => ["--import", each]);
  const child = spawn(process.execPath, ["--no-warnings", ...args, file.pathname], {
    env: { ...process.env, ...env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const port = await listeningPort(name, child);
    return { name, url: `http://127.0.0.1:${port}`, stop: (grace = STOP_GRACE_MILLIS) => stop(child, grace) };
  } catch (error) {
    await stop(child, 0);
    throw error;
  }
}

function listeningPort(name: string, child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let written = "";
    const timer = setTimeout(
      () => reject(new Error(`${name} did not listen within ${READY_WITHIN_MILLIS} ms:\n${written}`)),
      READY_WITHIN_MILLIS,
    );
    const read = (chunk: Buffer): void => {
      written += chunk.toString();
      const port = /^listening (\d+)$/m.exec(written)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${signal ?? code} before it listened:\n${written}`));
    });
  });
}

/** A service under an agent may ignore the polite signal, so it is followed by the one that cannot be ignored. */
async function stop(child: ChildProcess, graceMillis: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(graceMillis > 0 ? "SIGTERM" : "SIGKILL");
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMillis);
  await ended;
  clearTimeout(timer);
}
