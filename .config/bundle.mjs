// Bundles an adapter into files that need nothing but their host: they load several times faster than the import graph, and run where
// nothing is installed. Runs in the package's folder, after the compiler.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const { peerDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
const peers = Object.keys(peerDependencies).flatMap((name) => [name, `${name}/*`]);

/** The sources that may be there, and the conditions under which each is resolved. */
const FORMS = { bundle: [], "bundle-workerd": ["workerd", "worker", "browser"] };

for (const [name, conditions] of Object.entries(FORMS)) {
  if (!existsSync(`src/${name}.ts`)) continue;
  await build({
    entryPoints: [`src/${name}.ts`],
    outfile: `dist/${name}.js`,
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
}
