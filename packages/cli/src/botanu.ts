// The command line: `botanu <command>`.

import { CommandError, EXIT } from "./command-error.ts";
import { dev } from "./command-dev.ts";
import { coverage, run, runs, tail } from "./command-read.ts";
import type { Command, CommandWorld } from "./command.ts";
import { HELP } from "./help.ts";
import { printable, screenOf } from "./terminal.ts";
import { version } from "./version.ts";

const COMMANDS: ReadonlyMap<string, Command> = new Map(Object.entries({ dev, tail, runs, run, coverage }));

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const world = createWorld();
  const [name = "", ...args] = argv;
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  if (name === "--version" || name === "-v") world.out(`${version()}\n`);
  else if (name === "" || name === "--help" || name === "-h" || name === "help" || own.includes("--help"))
    world.out(HELP);
  else return runNamed(name, args, world);
  return name === "" ? EXIT.usage : EXIT.ok;
}

async function runNamed(name: string, args: readonly string[], world: CommandWorld): Promise<number> {
  try {
    const command = COMMANDS.get(name);
    if (command === undefined)
      throw new CommandError(`there is no command ${name}`, `there are: ${[...COMMANDS.keys()].join(", ")}`);
    return await command(args, world);
  } catch (error) {
    const known = error instanceof CommandError;
    // Only what was not foreseen needs a stack.
    const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.err(
      `botanu: ${text.split("\n").map(printable).join("\n")}\n${known && error.hint !== "" ? `  ${printable(error.hint)}\n` : ""}`,
    );
    return known ? error.exitCode : EXIT.usage;
  }
}

function createWorld(): CommandWorld {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ending.abort());
  const write = (stream: NodeJS.WriteStream): ((text: string) => void) => {
    let open = true;
    // A reader that went away, as `head` does, is no error.
    stream.on("error", () => {
      open = false;
      ending.abort();
    });
    return (text) => void (open && stream.write(text));
  };
  const { env } = process;
  return {
    env,
    out: write(process.stdout),
    err: write(process.stderr),
    outScreen: screenOf(process.stdout, env),
    errScreen: screenOf(process.stderr, env),
    signal: ending.signal,
    now: Date.now,
  };
}
