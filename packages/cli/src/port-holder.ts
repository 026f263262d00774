// Who listens on a port: asked of the listener itself, then of the system.

import { readFileSync, readdirSync, readlinkSync } from "node:fs";

const ASK_MILLIS = 500;
const LISTENING = "0A";

/** A description of the process that holds a port; undefined where that cannot be told. */
export async function portHolder(port: number, host: string): Promise<string | undefined> {
  return (await askListener(port, host)) ?? findProcess(port);
}

/** Another receiver of ours says who it is. */
async function askListener(port: number, host: string): Promise<string | undefined> {
  try {
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_MILLIS), redirect: "error" });
    const { name, pid } = (await response.json()) as { name?: unknown; pid?: unknown };
    return name === "botanu" && Number.isInteger(pid) ? `another botanu dev (pid ${String(pid)})` : undefined;
  } catch {
    return undefined;
  }
}

/** Linux only: the socket's inode is in /proc/net/tcp, its owner has a file descriptor of that inode. */
function findProcess(port: number): string | undefined {
  try {
    const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => listeningInodes(file, port)));
    const pid = readdirSync("/proc").find((each) => /^\d+$/.test(each) && holds(each, inodes));
    if (pid === undefined) return undefined;
    return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
  } catch {
    return undefined;
  }
}

function listeningInodes(file: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(wanted) === true && columns[3] === LISTENING)
    .flatMap((columns) => columns[9] ?? []);
}

function holds(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    // Processes of others, and those that end meanwhile, are not ours to read.
    return false;
  }
}
