// The public packages as a user gets them: packed, and unpacked into a folder that knows nothing of the workspace.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PNPM = join(ROOT, "node_modules", ".bin", "pnpm");

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly engines?: { readonly node?: string };
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** A public package of the workspace. */
export interface PublicPackage {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Every package that is published. */
export const PUBLIC_PACKAGES: readonly PublicPackage[] = readdirSync(join(ROOT, "packages"))
  .map((name) => join(ROOT, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .map((folder) => ({ folder, manifest: readManifest(folder) }))
  .filter(({ manifest }) => manifest.private !== true);

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Packs every public package into a folder; resolves with the path of each tarball by package name. */
export async function packAll(folder: string): Promise<ReadonlyMap<string, string>> {
  const filters = PUBLIC_PACKAGES.flatMap(({ manifest }) => ["--filter", manifest.name]);
  await execute(PNPM, ["-r", ...filters, "pack", "--pack-destination", folder], { cwd: ROOT, maxBuffer: 1 << 24 });
  return new Map(
    PUBLIC_PACKAGES.map(({ manifest: { name, version } }) => [
      name,
      join(folder, `${name.slice(1).replace("/", "-")}-${version}.tgz`),
    ]),
  );
}

/**
 * Unpacks tarballs into `node_modules` of an empty folder. What others publish is linked from the workspace, at the
 * version that the package asks for, because nothing may be fetched here.
 */
export async function unpackAll(tarballs: ReadonlyMap<string, string>, folder: string): Promise<void> {
  for (const { folder: source, manifest } of PUBLIC_PACKAGES) {
    const target = join(folder, "node_modules", manifest.name);
    await mkdir(target, { recursive: true });
    await execute("tar", ["-xzf", tarballs.get(manifest.name) ?? "", "-C", target, "--strip-components=1"]);
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
      if (!name.startsWith("@botanu/"))
        await link(join(source, "node_modules", name), join(folder, "node_modules", name));
    }
  }
  await writeFile(join(folder, "package.json"), '{ "name": "empty", "private": true }');
}

/** Links a folder as a package, unless one is there. */
export async function link(from: string, to: string): Promise<void> {
  if (existsSync(to)) return;
  await mkdir(dirname(to), { recursive: true });
  await symlink(realpathSync(from), to, "dir");
}

/** Installs tarballs with npm itself, without a network. */
export async function installOffline(tarballs: readonly string[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "name": "empty", "private": true }');
  const flags = ["--offline", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ...process.env, npm_config_cache: join(folder, ".npm") };
  await execute("npm", ["install", ...flags, ...tarballs], { cwd: folder, env });
}

const PROBE = `
const [form, ...names] = process.argv.slice(2);
const report = {};
for (const name of names) {
  try {
    const loaded = form === "require" ? require(name) : await import(name);
    report[name] = Object.keys(loaded).filter((key) => key !== "default" && key !== "__esModule");
  } catch (error) {
    report[name] = error.code + ": " + error.message;
  }
}
process.stdout.write(JSON.stringify(report));
process.exit(0);
`;

/** Loads entries in one process; gives the names that each exports, or why it could not be loaded. */
export async function load(
  node: string,
  form: "import" | "require",
  entries: readonly string[],
  folder: string,
): Promise<Record<string, string[] | string>> {
  // A file with the extension of its form stands in the folder, so that names resolve from there.
  const file = join(folder, form === "require" ? "probe.cjs" : "probe.mjs");
  await writeFile(file, form === "require" ? `void (async () => {${PROBE}})();` : PROBE);
  const { stdout } = await execute(node, [file, form, ...entries], { cwd: folder });
  return JSON.parse(stdout) as Record<string, string[] | string>;
}
