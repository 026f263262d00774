// Bundles what a user would deploy and looks inside: a string that must not be there says that a boundary leaks,
// whatever the import graph looks like. Sizes are information, except those that were promised.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const ROOT = new URL("..", import.meta.url).pathname;
const FOREIGN = ["@opentelemetry/", "require("];
const WORKERD = ["workerd", "worker", "browser"];

/** What is bundled, what must not be in it, and the gzip bytes that were promised, if any. */
const BUNDLES = [
  { name: "core", source: 'export * from "@botanu/core"', forbid: [...FOREIGN, "node:"] },
  { name: "otlp (JSON)", source: 'export * from "@botanu/otlp"', forbid: [...FOREIGN, "node:", "x-protobuf"] },
  { name: "tracer", source: 'export * from "@botanu/tracer"', forbid: [...FOREIGN, "node:", "resourceSpans"] },
  { name: "hono", source: 'export * from "@botanu/hono"', forbid: [...FOREIGN, "x-protobuf"] },
  {
    name: "workers",
    source: 'export * from "@botanu/workers"',
    forbid: [...FOREIGN, "x-protobuf"],
    nodeBuiltins: ["node:async_hooks"],
  },
  { name: "express", source: 'export * from "@botanu/express"', forbid: [...FOREIGN, "x-protobuf"] },
];

const packages = { core: "core", tracer: "tracer", otlp: "otlp", hono: "hono", workers: "workers", express: "express" };
let failed = 0;
for (const bundle of BUNDLES) {
  const text = await bundled(bundle.source);
  const builtins = [...new Set(text.match(/node:[a-z_/]+/g))];
  const found = [
    ...bundle.forbid.filter((each) => text.includes(each)),
    ...builtins.filter((each) => bundle.nodeBuiltins !== undefined && !bundle.nodeBuiltins.includes(each)),
  ];
  const gzip = gzipSync(text, { level: 9 }).length;
  if (found.length > 0) failed += 1;
  const verdict = found.length > 0 ? `  must not contain ${found.map((each) => JSON.stringify(each)).join(", ")}` : "";
  process.stdout.write(
    `${bundle.name.padEnd(14)} ${String(text.length).padStart(7)} B  ${String(gzip).padStart(6)} B gzip${verdict}\n`,
  );
}
process.exitCode = failed > 0 ? 1 : 0;

async function bundled(source) {
  const result = await build({
    stdin: { contents: source, resolveDir: ROOT, loader: "ts" },
    alias: Object.fromEntries(
      Object.entries(packages).map(([name, folder]) => [`@botanu/${name}`, `${ROOT}packages/${folder}/src`]),
    ),
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    conditions: WORKERD,
    external: ["node:*", "hono", "hono/*", "express", "cloudflare:*"],
    logLevel: "error",
  });
  return result.outputFiles[0].text;
}
