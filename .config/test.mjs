// The whole test command: first what a tool can check, then every suite. With paths, only the suites below them.
// Ends with a line that counts, because a run that tested nothing must not look like one that passed.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = new URL("..", import.meta.url).pathname;
const only = process.argv.slice(2);
const started = Date.now();
const folder = mkdtempSync(join(tmpdir(), "botanu-test-"));
const report = join(folder, "report.json");

const checked = only.length > 0 || run("node", [".config/check.mjs"]) === 0;
const suites = run("vitest", [
  "run",
  "--config",
  ".config/vitest.config.ts",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...only,
]);
const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, "utf8"));
rmSync(folder, { recursive: true, force: true });

process.stdout.write(
  `took ${((Date.now() - started) / 1000).toFixed(0)} s${checked ? "" : "; a check failed, see above"}\n`,
);
process.stdout.write(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped\n`);
process.exitCode = checked && suites === 0 && numPassedTests > 0 ? 0 : 1;

function run(command, args) {
  return spawnSync(command, args, { cwd: ROOT, stdio: "inherit" }).status ?? 1;
}
