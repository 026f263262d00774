import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { Miniflare } from "miniflare";

import type { HarnessApp } from "./instruction.ts";

/** A Worker in workerd, bundled as wrangler would bundle it. */
export async function start(): Promise<HarnessApp> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
  });
  const miniflare = new Miniflare({
    modules: true,
    script: outputFiles[0]?.text ?? "",
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["nodejs_als"],
    host: "127.0.0.1",
    port: 0,
  });
  return { url: (await miniflare.ready).href, close: () => miniflare.dispose() };
}
