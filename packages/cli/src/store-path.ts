// Where the store is when nobody says otherwise: the user's own state, so that every terminal finds the same one.

import { homedir } from "node:os";
import { join } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/** `--db`, else `BOTANU_DB`, else a file in the user's state folder (`XDG_STATE_HOME`, `%LOCALAPPDATA%`). */
export function storePath(option: string | undefined, env: Env, platform: string = process.platform): string {
  const named = option ?? env["BOTANU_DB"];
  if (named !== undefined && named !== "") return named;
  if (platform === "win32")
    return join(env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"), "botanu", "runs.db");
  return join(env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local", "state"), "botanu", "runs.db");
}

/** A path as people write it, with `~` for their own folder. */
export function shortPath(path: string, env: Env): string {
  const home = env["HOME"] ?? "";
  return home.length > 1 && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
