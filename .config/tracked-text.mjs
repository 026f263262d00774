// What must not be in a tracked file: hosts of package registries (a lock file that names one installs nowhere else),
// focused tests, and notes of things left for later.

import { execFileSync } from "node:child_process";

const ROOT = new URL("..", import.meta.url).pathname;
const SELF = ":!.config/tracked-text.mjs";
const FORBIDDEN = [
  ["a registry host", "registry\\.npmjs|registry\\.yarnpkg|pythonhosted|proxy\\.golang|deb\\.debian", ["."]],
  ["a focused test", "\\b(it|test|describe)\\.only\\(", ["*.ts"]],
  ["something left for later", "\\b(TODO|FIXME|XXX|HACK)\\b", ["packages", "apps"]],
];

for (const [what, pattern, paths] of FORBIDDEN) {
  const found = grep(pattern, paths);
  if (found === "") continue;
  process.stdout.write(`${String(what)}:\n${found}`);
  process.exitCode = 1;
}

function grep(pattern, paths) {
  try {
    return execFileSync("git", ["grep", "-nIE", pattern, "--", ...paths, SELF], { cwd: ROOT, encoding: "utf8" });
  } catch (error) {
    // git grep exits with 1 when it finds nothing.
    if (error.status === 1) return "";
    throw error;
  }
}
