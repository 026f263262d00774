import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** The conditions under which a Worker is bundled for deployment. */
const WORKERD_CONDITIONS = ["workerd", "worker", "browser"];
const ROOT = new URL("../../..", import.meta.url).pathname;
const PACKAGES = ["core", "tracer", "otlp", "hono", "workers", "express"];

export interface Bundle {
  readonly text: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

export interface BundleOptions {
  /** Modules that stay imports of the bundle. `node:*` and `cloudflare:*` always do. */
  readonly external?: readonly string[];
  /** Replaces the Workers module by one that exists in Node, for a bundle that is measured there. */
  readonly forNode?: boolean;
}

/** Bundles and minifies a file as it would be deployed. */
export async function bundleFile(path: string, options: BundleOptions = {}): Promise<Bundle> {
  const result = await build({
    entryPoints: [path],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    conditions: WORKERD_CONDITIONS,
    // Named, so that a package that is also required stays an ES module: the smaller result for the peers.
    mainFields: ["browser", "module", "main"],
    alias: options.forNode ? { "cloudflare:workers": new URL("cloudflare-workers.ts", import.meta.url).pathname } : {},
    external: ["node:*", "cloudflare:*", ...(options.external ?? [])],
    logLevel: "error",
    plugins: [nodeBuiltinsWithoutPrefix],
  });
  const text = result.outputFiles[0]?.text ?? "";
  return { text, bytes: text.length, gzipBytes: gzipSync(text, { level: 9 }).length };
}

/** Some peers name Node's built-ins without the prefix, from CommonJS: the deployment tool rewrites these, so this does too. */
const nodeBuiltinsWithoutPrefix = {
  name: "node-builtins",
  setup(plugin: import("esbuild").PluginBuild): void {
    plugin.onResolve({ filter: /^(async_hooks|buffer|events|util)$/ }, ({ path }) => ({
      path,
      namespace: "node-builtin",
    }));
    plugin.onLoad({ filter: /.*/, namespace: "node-builtin" }, ({ path }) => ({
      contents: `export * from "node:${path}"; export { default } from "node:${path}";`,
      loader: "js",
    }));
  },
};

/** The source folders of the packages, for bundles of one export. */
export function packageSource(name: string): string {
  if (!PACKAGES.includes(name)) throw new Error(`no package ${name}`);
  return `${ROOT}packages/${name}/src/index.ts`;
}
