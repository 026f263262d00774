// `botanu dev`: receives spans, stores them, shows them as they come; with a command, for as long as that runs.

import { once } from "node:events";

import { EXIT } from "./command-error.ts";
import { type Arguments, type Command, type CommandWorld, readArguments } from "./command.ts";
import { formatTailed } from "./format-runs.ts";
import { grouped, plural } from "./quantities.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { IN_MEMORY } from "./sqlite.ts";
import { shortPath, storePath } from "./store-path.ts";
import { STORE_LIMITS, type StoreLimitOptions } from "./store-pruner.ts";
import { type Screen, printable } from "./terminal.ts";
import { commandEnvironment, environmentWarnings, otelVariables, runCommand } from "./wrapped-command.ts";

// As many lines a second as can be followed with the eye.
const LINES_PER_SECOND = 40;
const MEGABYTE = 2 ** 20;

/** `botanu dev [options] [-- <command> …]` */
export const dev: Command = async (argv, world) => {
  const started = performance.now();
  const dashes = argv.indexOf("--");
  const [own, [command, ...commandArgs]] = dashes < 0 ? [argv, []] : [argv.slice(0, dashes), argv.slice(dashes + 1)];
  const string = { type: "string" } as const;
  const args = readArguments(own, { port: string, host: string, db: string, "max-spans": string, "max-bytes": string });
  const db = storePath(args.text("db"), world.env);
  // Of a command, standard output is its own.
  const say = command === undefined ? world.out : world.err;
  const screen = command === undefined ? world.outScreen : world.errScreen;
  const show = liveTail(say, screen, world.now);
  const receiver = await startReceiver({
    port: args.number("port", 0, 65_535) ?? 4318,
    host: args.text("host"),
    db,
    limits: limitsOf(args),
    onBatch: () => show.arrived(),
    onNotice: (text) => say(`${screen.paint.warn("⚠")} ${printable(text)}\n`),
  });
  show.follow(receiver);
  const before = receiver.store.stats();
  try {
    say(banner(receiver, db, args, performance.now() - started, screen, world, command === undefined));
    if (command === undefined) {
      await (world.signal.aborted ? undefined : once(world.signal, "abort"));
      return EXIT.ok;
    }
    for (const warning of environmentWarnings(world.env)) say(`${screen.paint.warn("⚠")} ${printable(warning)}\n`);
    return await runCommand(command, commandArgs, commandEnvironment(receiver.url, world.env));
  } finally {
    show.stop();
    const { lastId } = receiver.store.stats();
    const [newest] = receiver.store.listRuns({ limit: 1 });
    await receiver.close();
    say(farewell(lastId - before.lastId, newest?.runId, command !== undefined, screen));
  }
};

function limitsOf(args: Arguments): StoreLimitOptions {
  const most = Number.MAX_SAFE_INTEGER;
  return { maxSpans: args.number("max-spans", 1, most), maxBytes: args.number("max-bytes", MEGABYTE, most) };
}

function banner(
  receiver: Receiver,
  db: string,
  args: Arguments,
  millis: number,
  { paint }: Screen,
  { env }: CommandWorld,
  alone: boolean,
): string {
  const { runs, spans } = receiver.store.stats();
  const maxSpans = args.number("max-spans", 1, Number.MAX_SAFE_INTEGER) ?? STORE_LIMITS.maxSpans;
  const maxBytes = args.number("max-bytes", MEGABYTE, Number.MAX_SAFE_INTEGER) ?? STORE_LIMITS.maxBytes;
  const bounds = `at most ${grouped(maxSpans)} spans and ${grouped(Math.round(maxBytes / MEGABYTE))} MiB`;
  const held = spans === 0 ? "empty" : `${plural(runs, "run")} in it`;
  const head = `${paint.bold("botanu")} receives OTLP at ${paint.bold(receiver.url)} ${paint.dim(`ready in ${Math.round(millis)} ms`)}
stores it in ${printable(shortPath(db, env))} ${paint.dim(`${held}, ${bounds}`)}
`;
  if (!alone) return `${head}\n`;
  const variables = Object.entries(otelVariables(receiver.url)).map(([name, value]) => `  export ${name}=${value}`);
  const option = args.text("db") === undefined ? "" : ` --db ${printable(db)}`;
  return `${head}
Send your services' spans here:
${variables.join("\n")}
or start one with them set:  botanu dev -- node app.js

Then, in another terminal:
  botanu run latest${option}      ${paint.dim("the newest run, whole")}
  botanu runs${option}            ${paint.dim("all runs")}
  botanu coverage${option}        ${paint.dim("who carries the run, who does not, and why")}

${paint.dim(db === IN_MEMORY ? "in memory: other terminals cannot read it. " : "")}${paint.dim("Spans appear below as they arrive. Ctrl-C ends.")}
`;
}

function farewell(spans: number, runId: string | undefined, withCommand: boolean, { paint }: Screen): string {
  if (spans > 0)
    return `${plural(spans, "span")} received${runId === undefined ? ", none of them in a run" : `; ${paint.bold("botanu run latest")} shows the newest run`}\n`;
  if (!withCommand) return "no spans received\n";
  return `no spans received: does the command have tracing? A Node service gets it with NODE_OPTIONS="--import @botanu/node/register"\n`;
}

/** Prints spans when they arrive, a few at a time. */
function liveTail(
  say: (text: string) => void,
  screen: Screen,
  now: () => number,
): { follow(receiver: Receiver): void; arrived(): void; stop(): void } {
  let receiver: Receiver | undefined;
  let last = 0;
  let second = 0;
  let lines = 0;
  const arrived = (): void => {
    if (receiver === undefined) return;
    if (Math.floor(now() / 1000) !== second) {
      second = Math.floor(now() / 1000);
      lines = 0;
    }
    const room = LINES_PER_SECOND - lines;
    const { lastId } = receiver.store.stats();
    const page = room > 0 ? receiver.store.tail(last, room) : [];
    for (const each of page) say(`${formatTailed(each, screen)}\n`);
    lines += page.length;
    const skipped = lastId - (page.at(-1)?.span.id ?? last);
    if (skipped > 0) say(screen.paint.dim(`… ${plural(skipped, "more span")}\n`));
    last = lastId;
  };
  return {
    follow(started) {
      receiver = started;
      last = started.store.stats().lastId;
    },
    arrived,
    stop() {
      receiver = undefined;
    },
  };
}
