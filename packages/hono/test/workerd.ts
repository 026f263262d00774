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
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}

/** A Worker in workerd, called without anything in between. */
export async function startWorker(
  script: string,
  options: Partial<MiniflareOptions> = {},
): Promise<{ url: URL; miniflare: Miniflare }> {
  const miniflare = new Miniflare({
    name: "worker",
    // Named as modules, or miniflare would look for the ones that the script asks for and may do without.
    modules: [{ type: "ESModule", path: "worker.mjs", contents: script }],
    compatibilityDate: "2026-04-01",
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    ...options,
  } as MiniflareOptions);
  await miniflare.ready;
  return { url: await miniflare.unsafeGetDirectURL(), miniflare };
}
