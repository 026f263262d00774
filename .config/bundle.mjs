// Bundles an adapter into files that need nothing but their host: they load several times faster than the import graph, and run where
// nothing is installed. Runs in the package's folder, after the compiler.

import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const { peerDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
const peers = Object.keys(peerDependencies).flatMap((name) => [name, `${name}/*`]);

/** The sources that may be there, the conditions under which each is resolved, and where it goes. */
const FORMS = [
  { name: "bundle", conditions: [], outfile: "dist/bundle.js" },
  { name: "bundle-workerd", conditions: ["workerd", "worker", "browser"], outfile: "dist/bundle-workerd.js" },
  // A Lambda layer: what is in `dist/layer` here is in `/opt` of a function.
  { name: "layer", conditions: [], outfile: "dist/layer/botanu/handler.mjs" },
];

for (const { name, conditions, outfile } of FORMS) {
  if (!existsSync(`src/${name}.ts`)) continue;
  await build({
    entryPoints: [`src/${name}.ts`],
    outfile,
    bundle: true,
    allowOverwrite: true,
    minify: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    conditions,
    external: ["node:*", "cloudflare:*", ...peers],
    logLevel: "warning",
  });
  rmSync(`dist/${name}.js.map`, { force: true });
  if (name === "layer") cpSync("exec", "dist/layer/botanu/exec");
}
