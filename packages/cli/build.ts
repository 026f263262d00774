// Bundles the command and its store thread, each into one file that needs nothing but Node: it starts some times faster
// than the import graph, and runs from anywhere the package is.

import { chmodSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const PROGRAMS = ["botanu", "store-worker"];

/** Writes the programs into a folder; beside the modules that the compiler wrote when none is given. */
export async function bundle(outdir: string = `${FOLDER}dist`): Promise<void> {
  await build({
    entryPoints: PROGRAMS.map((name) => `${FOLDER}src/${name}.ts`),
    outdir,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node22",
    // From source, so that no other package has to be built first.
    alias: { "@botanu/core": `${FOLDER}../core/src/index.ts` },
    banner: { js: "#!/usr/bin/env node" },
    logLevel: "warning",
  });
  for (const name of PROGRAMS) rmSync(`${outdir}/${name}.js.map`, { force: true });
  chmodSync(`${outdir}/botanu.js`, 0o755);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
