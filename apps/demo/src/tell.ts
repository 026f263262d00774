import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { PlacedOrder, Story } from "./story.ts";

const run = promisify(execFile);
const COMMAND = new URL("../../../packages/cli/dist/botanu.js", import.meta.url).pathname;

/** What the command line says about the run of an order: its tree, then who carried it and why others did not. */
export async function tell(story: Story, order: PlacedOrder): Promise<void> {
  const id = order.runId ?? "latest";
  process.stdout.write(await botanu(["run", id, "--db", story.database]));
  process.stdout.write("\n");
  process.stdout.write(await botanu(["coverage", "--db", story.database]));
}

/** Runs the built command line and returns what it prints, whatever its exit code: a finding is a result here. */
async function botanu(args: readonly string[]): Promise<string> {
  const env = { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) };
  try {
    return (await run(process.execPath, ["--no-warnings", COMMAND, ...args], { env })).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return `${stdout}${stderr}`;
  }
}
