// Packs each named package as it would be published and reads the result as a stranger's tools would:
// publint for the manifest, attw for the exported types under ESM resolution.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = new URL("..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "botanu-pack-"));
try {
  for (const name of process.argv.slice(2)) check(name);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check(name) {
  const packed = run("pnpm", ["pack", "--json", "--pack-destination", folder], join(ROOT, "packages", name));
  if (packed.status !== 0) return report(name, "pack", packed);
  const { filename } = JSON.parse(packed.stdout.slice(packed.stdout.indexOf("{")));
  for (const [tool, args] of [
    ["publint", ["run", filename, "--strict"]],
    ["attw", [filename, "--profile", "esm-only", "--format", "ascii"]],
  ]) {
    const result = run(tool, args, ROOT);
    if (result.status !== 0) report(name, tool, result);
  }
}

function run(command, args, cwd) {
  return spawnSync(command, args, { cwd, encoding: "utf8" });
}

function report(name, tool, result) {
  process.stdout.write(`${name}: ${tool}\n${result.stdout}${result.stderr}\n`);
  process.exitCode = 1;
}
