import { readFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";

/** What starts the process. */
export interface EntryPoint {
  /** The script, `process.argv[1]`; none for `--eval` and standard input. */
  readonly script: string | undefined;
  /** Options of Node itself, with those of `NODE_OPTIONS`. */
  readonly options: readonly string[];
  readonly readFile?: ((path: string) => string) | undefined;
}

/** A line that only a module can have. A false alarm costs a little start-up time, no more. */
const MODULE_SYNTAX = /^\s*(import[\s{*"']|export[\s{*])/m;

/**
 * Whether the entry point may be an ECMAScript module, by Node's own rules.
 * See {@link https://nodejs.org/api/packages.html#determining-module-system}
 */
export function mayBeModule(entry: EntryPoint): boolean {
  const flags = entry.options.join(" ");
  if (/--(input-type|experimental-default-type)[= ]module|--(experimental-)?loader\b/.test(flags)) return true;
  if (entry.script === undefined) return false;
  const readFile = entry.readFile ?? ((path: string) => readFileSync(path, "utf8"));
  const extension = extname(entry.script);
  if (extension === ".mjs" || extension === ".mts") return true;
  if (extension === ".cjs" || extension === ".cts") return false;
  const type = packageType(dirname(entry.script), readFile);
  if (type !== undefined) return type === "module";
  const text = read(entry.script, readFile) ?? read(`${entry.script}.js`, readFile);
  return text !== undefined && MODULE_SYNTAX.test(text);
}

/** The `type` of the nearest package.json; nothing where it has none. */
function packageType(folder: string, readFile: (path: string) => string): string | undefined {
  const text = read(join(folder, "package.json"), readFile);
  if (text === undefined) {
    const parent = dirname(folder);
    return parent === folder ? undefined : packageType(parent, readFile);
  }
  try {
    const { type } = JSON.parse(text) as { type?: unknown };
    return typeof type === "string" ? type : undefined;
  } catch {
    return undefined;
  }
}

function read(path: string, readFile: (path: string) => string): string | undefined {
  try {
    return readFile(path);
  } catch {
    return undefined;
  }
}
