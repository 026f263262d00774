import { build } from "esbuild";
import { Miniflare, type MiniflareOptions } from "miniflare";

/** What a Worker is deployed as: one module, bundled under the conditions of Cloudflare's own tool. */
export async function bundleWorker(path: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
    alias: {
      "@botanu/workers": new URL("../src/index.ts", import.meta.url).pathname,
      "@botanu/hono": new URL("../../hono/src/workerd.ts", import.meta.url).pathname,
    },
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}

/** Workers in workerd; the first one is called without anything in between. */
export async function startWorker(options: MiniflareOptions): Promise<{ url: URL; miniflare: Miniflare }> {
  const miniflare = new Miniflare(options);
  await miniflare.ready;
  return { url: await miniflare.unsafeGetDirectURL("worker"), miniflare };
}
