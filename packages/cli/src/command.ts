// What every command is given, and how its arguments are read.

import { type ParseArgsConfig, parseArgs } from "node:util";

import { CommandError } from "./command-error.ts";
import { parseDuration } from "./quantities.ts";
import { RunStore } from "./run-store.ts";
import { storePath } from "./store-path.ts";
import type { Screen } from "./terminal.ts";

/** The world of a command. */
export interface CommandWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output. */
  readonly out: (text: string) => void;
  /** Writes to standard error. */
  readonly err: (text: string) => void;
  readonly outScreen: Screen;
  readonly errScreen: Screen;
  /** Aborted when the process is asked to end, or nobody reads its output any more. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** A command: its arguments in, its exit code out. */
export type Command = (args: readonly string[], world: CommandWorld) => Promise<number>;

type Options = NonNullable<ParseArgsConfig["options"]>;

export interface Arguments {
  /** The value of a text option. */
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean;
  /** @throws {CommandError} when the value is not a number within the bounds */
  readonly number: (name: string, min: number, max: number) => number | undefined;
  /** Epoch milliseconds of a span of time before now. @throws {CommandError} when it is not one */
  readonly since: (now: number) => number | undefined;
  readonly positionals: readonly string[];
}

/** Options that every reading command takes. */
export const READ_OPTIONS: { readonly db: { readonly type: "string" }; readonly json: { readonly type: "boolean" } } = {
  db: { type: "string" },
  json: { type: "boolean" },
};

/** @throws {CommandError} for an option that the command does not have, or a wrong number of arguments */
export function readArguments(args: readonly string[], options: Options, maxPositionals = 0): Arguments {
  const { values, positionals } = parse(args, options);
  if (positionals.length > maxPositionals)
    throw new CommandError(`unexpected argument ${positionals[maxPositionals] ?? ""}`);
  const text = (name: string): string | undefined => (typeof values[name] === "string" ? values[name] : undefined);
  return {
    text,
    flag: (name) => values[name] === true,
    number(name, min, max) {
      const given = text(name);
      if (given === undefined) return undefined;
      const number = given.trim() === "" ? Number.NaN : Number(given);
      if (!(number >= min && number <= max))
        throw new CommandError(`--${name} takes a number from ${min} to ${max}, not ${given}`);
      return number;
    },
    since(now) {
      const given = text("since");
      const millis = given === undefined ? undefined : parseDuration(given);
      if (given !== undefined && millis === undefined)
        throw new CommandError(`--since takes a time like 30s, 15m, 2h or 7d, not ${given}`);
      return millis === undefined ? undefined : now - millis;
    },
    positionals,
  };
}

function parse(args: readonly string[], options: Options): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true, allowNegative: true });
  } catch (error) {
    throw new CommandError(
      error instanceof Error ? (error.message.split(". ")[0] ?? error.message) : String(error),
      "see botanu --help",
    );
  }
}

/** Opens the store for reading, hands it to `use`, and closes it. */
export async function withStore<T>(
  args: Arguments,
  world: CommandWorld,
  use: (store: RunStore) => T | Promise<T>,
): Promise<T> {
  const store = new RunStore({ path: storePath(args.text("db"), world.env), readOnly: true, now: world.now });
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

/** The one run that a text names. @throws {CommandError} where there is none, or more than one */
export function findRun(store: RunStore, text: string): string {
  const [runId, ...others] = store.findRuns(text);
  if (runId === undefined) {
    throw new CommandError(
      text === "latest" ? "the store holds no run yet" : `no run begins or ends with ${text}`,
      "botanu runs lists them",
      1,
    );
  }
  if (others.length > 0)
    throw new CommandError(`${text} names several runs:\n  ${[runId, ...others].join("\n  ")}`, "give more of the id");
  return runId;
}

/** One JSON value on one line. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
