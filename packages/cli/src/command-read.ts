// The commands that read the store, while `botanu dev` writes it and after.

import { setTimeout as sleep } from "node:timers/promises";

import { EXIT } from "./command-error.ts";
import {
  type Arguments,
  type Command,
  type CommandWorld,
  READ_OPTIONS,
  findRun,
  jsonLine,
  readArguments,
  withStore,
} from "./command.ts";
import { formatCoverage } from "./format-coverage.ts";
import { formatRun } from "./format-run.ts";
import { formatRuns, formatTailed } from "./format-runs.ts";
import { grouped, percent } from "./quantities.ts";
import { runTree } from "./run-tree.ts";
import type { RunStore } from "./run-store.ts";
import { isoTime, runJson, tailJson } from "./span-json.ts";
import type { TailedSpan } from "./store-reader.ts";
import { isFailed } from "./stored-span.ts";

const POLL_MILLIS = 200;
const TAIL_PAGE = 500;

/** `botanu runs` */
export const runs: Command = async (argv, world) => {
  const string = { type: "string" } as const;
  const args = readArguments(argv, {
    ...READ_OPTIONS,
    workflow: string,
    customer: string,
    limit: string,
    since: string,
  });
  const filter = {
    workflow: args.text("workflow"),
    customer: args.text("customer"),
    limit: Math.trunc(args.number("limit", 1, 100_000) ?? 20),
    sinceMillis: args.since(world.now()),
  };
  return withStore(args, world, (store) => {
    const found = store.listRuns(filter);
    if (args.flag("json")) world.out(jsonLine(found.map((run) => ({ ...run, startTime: isoTime(run.startMs) }))));
    else if (found.length === 0) world.out("no runs\n");
    else {
      world.out(formatRuns(found, world.outScreen));
      const { runs: kept, prunedRuns } = store.stats();
      const pruned = prunedRuns === 0 ? "" : `, ${grouped(prunedRuns)} older ones were removed to keep the bounds`;
      if (kept > found.length || prunedRuns > 0)
        world.out(world.outScreen.paint.dim(`${grouped(found.length)} of ${grouped(kept)} runs${pruned}\n`));
    }
    return EXIT.ok;
  });
};

/** `botanu run [<id>|<part of an id>|latest]` */
export const run: Command = async (argv, world) => {
  const args = readArguments(argv, { ...READ_OPTIONS, all: { type: "boolean" } }, 1);
  return withStore(args, world, (store) => {
    const data = store.getRun(findRun(store, args.positionals[0] ?? "latest"));
    if (data === undefined) return EXIT.finding;
    const tree = runTree(data);
    world.out(
      args.flag("json") ? jsonLine(runJson(tree)) : formatRun(tree, { screen: world.outScreen, all: args.flag("all") }),
    );
    return EXIT.ok;
  });
};

/** `botanu coverage [--run ID] [--fail-under N]` */
export const coverage: Command = async (argv, world) => {
  const string = { type: "string" } as const;
  const args = readArguments(argv, { ...READ_OPTIONS, run: string, since: string, "fail-under": string });
  const least = args.number("fail-under", 0, 100);
  return withStore(args, world, (store) => {
    const named = args.text("run");
    const runId = named === undefined ? undefined : findRun(store, named);
    const report = store.coverage({ runId, sinceMillis: args.since(world.now()) });
    world.out(
      args.flag("json")
        ? jsonLine({ runId: runId ?? null, ...report, percent: report.percent ?? null })
        : formatCoverage(report, world.outScreen),
    );
    const below = least !== undefined && (report.percent === undefined || report.percent < least);
    if (below) world.err(`${percent(report.percent)} is under ${least} %\n`);
    return below ? EXIT.finding : EXIT.ok;
  });
};

/** `botanu tail` */
export const tail: Command = async (argv, world) => {
  const string = { type: "string" } as const;
  const boolean = { type: "boolean" } as const;
  const args = readArguments(argv, {
    ...READ_OPTIONS,
    workflow: string,
    customer: string,
    errors: boolean,
    follow: boolean,
    lines: { type: "string", short: "n" },
  });
  const lines = Math.trunc(args.number("lines", 0, 100_000) ?? 10);
  const follow = !argv.includes("--no-follow");
  return withStore(args, world, async (store) => {
    const wanted = tailFilter(args);
    let last = printNewest(store, lines, wanted, (each) => print(each, args, world));
    while (follow && !world.signal.aborted) {
      const page = store.tail(last, TAIL_PAGE);
      for (const each of page.filter(wanted)) print(each, args, world);
      last = page.at(-1)?.span.id ?? last;
      if (page.length < TAIL_PAGE) await sleep(POLL_MILLIS, undefined, { signal: world.signal }).catch(() => undefined);
    }
    return EXIT.ok;
  });
};

/** Prints the newest lines that are wanted, and gives the id to go on from. */
function printNewest(
  store: RunStore,
  lines: number,
  wanted: (tailed: TailedSpan) => boolean,
  show: (tailed: TailedSpan) => void,
): number {
  const { lastId } = store.stats();
  const found: TailedSpan[] = [];
  // Backwards page by page, until enough is found or the store has been seen.
  for (let end = lastId; end > 0 && found.length < lines; end -= TAIL_PAGE) {
    const start = Math.max(0, end - TAIL_PAGE);
    const page = store.tail(start, TAIL_PAGE).filter((each) => each.span.id <= end && wanted(each));
    found.unshift(...page);
  }
  for (const each of lines === 0 ? [] : found.slice(-lines)) show(each);
  return lastId;
}

function tailFilter(args: Arguments): (tailed: TailedSpan) => boolean {
  const workflow = args.text("workflow");
  const customer = args.text("customer");
  const errors = args.flag("errors");
  return (tailed) =>
    (workflow === undefined || tailed.workflow === workflow) &&
    (customer === undefined || tailed.customerId === customer) &&
    (!errors || isFailed(tailed.span));
}

function print(tailed: TailedSpan, args: Arguments, world: CommandWorld): void {
  world.out(args.flag("json") ? jsonLine(tailJson(tailed)) : `${formatTailed(tailed, world.outScreen)}\n`);
}
