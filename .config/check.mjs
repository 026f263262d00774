// Everything about the repository that a tool can check without running the product: types, lint, boundaries, format,
// unused code, bundles, package metadata and what must never be committed. Runs all of them, then says which failed.

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const ROOT = new URL("..", import.meta.url).pathname;
const published = readdirSync(join(ROOT, "packages")).filter((each) => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "packages", each, "package.json"), "utf8"));
  return manifest.private !== true;
});

const CHECKS = [
  ["types of packages and apps", "turbo", ["run", "types", "--output-logs=errors-only", "--no-update-notifier"]],
  ["types of tests", "tsc", ["-p", ".config/tsconfig.tests.json"]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings", "--quiet"]],
  ["boundaries", "turbo", ["boundaries", "--no-update-notifier"]],
  ["format", "oxfmt", ["--check"]],
  [
    "unused files, exports and dependencies",
    "knip",
    ["--config", ".config/knip.json", "--no-progress", "--no-config-hints"],
  ],
  [
    "every branch of core by its own tests",
    "vitest",
    [
      "run",
      "--config",
      ".config/vitest.config.ts",
      "packages/core",
      "--coverage",
      "--coverage.thresholds.branches=100",
    ],
  ],
  ["bundles", "node", [".config/bundles.mjs"]],
  ["tracked text", "node", [".config/tracked-text.mjs"]],
  ["manifests and exported types", "node", [".config/published.mjs", ...published]],
];

const failed = [];
for (const [name, command, args] of CHECKS) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 });
  const ok = result.status === 0;
  process.stdout.write(`${ok ? "✓" : "✗"} ${String(name)} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
  if (ok && name !== "bundles") continue;
  process.stdout.write(result.stdout + result.stderr);
  if (!ok) failed.push(name);
}
if (failed.length > 0) process.stdout.write(`failed: ${failed.join(", ")}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
