import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const TIMEOUT_MILLIS = 120_000;

/** Runs a program of this folder in a process of its own and reads the one number that it prints. */
export async function measure(program: string, args: readonly string[]): Promise<number> {
  const file = new URL(program, import.meta.url).pathname;
  const { stdout } = await run(process.execPath, ["--no-warnings", "--expose-gc", file, ...args], {
    timeout: TIMEOUT_MILLIS,
  });
  const value = Number(stdout.trim());
  if (!Number.isFinite(value)) throw new Error(`${program} ${args.join(" ")} printed ${JSON.stringify(stdout)}`);
  return value;
}

/**
 * Measures several subjects round by round, so that a neighbour's load falls on all of them, and keeps each one's median and best.
 * A failure of a peer is its result: `NaN` and a line on standard error.
 */
export async function roundRobin(
  subjects: Readonly<Record<string, () => Promise<number>>>,
  rounds: number,
): Promise<Record<string, { readonly best: number; readonly median: number }>> {
  const values: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, once] of Object.entries(subjects)) (values[name] ??= []).push(await once());
  }
  return Object.fromEntries(
    Object.entries(values).map(([name, list]) => {
      const sorted = list.toSorted((a, b) => a - b);
      return [name, { best: sorted[0] ?? Number.NaN, median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN }];
    }),
  );
}
