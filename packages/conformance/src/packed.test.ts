import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { machineNode } from "./hosts.ts";
import { installOffline, link, load, packAll, PUBLIC_PACKAGES, readManifest, unpackAll } from "./packed.ts";

/** Entries that wait for a module as they load: `require` cannot, by its nature. */
const IMPORT_ONLY = ["@botanu/core/async", "@botanu/workers", "@botanu/workers/bundle"];
/** Entries that act as they load; their own package tests them. */
const ACTING = ["@botanu/node/register"];

let folder: string;
let unpacked: string;
let tarballs: ReadonlyMap<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "botanu-packed-"));
  unpacked = join(folder, "unpacked");
  tarballs = await packAll(folder);
  await unpackAll(tarballs, unpacked);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(PUBLIC_PACKAGES.map(({ manifest }) => manifest.name))("%s, packed", (name) => {
  const target = (): string => join(unpacked, "node_modules", name);

  it("is complete, and says nothing of the workspace", async () => {
    const text = await readFile(join(target(), "package.json"), "utf8");
    expect(text).not.toMatch(/workspace:|catalog:/);
    for (const file of ["LICENSE", "README.md"]) expect(existsSync(join(target(), file)), file).toBe(true);
  });

  it("has every file that its manifest names", () => {
    const { exports = {}, bin = {} } = readManifest(target());
    const files = [exports, bin].flatMap(leaves).filter((file) => !file.includes("*"));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      expect(existsSync(join(target(), file)), `${file} (build the packages first)`).toBe(true);
      expect(file).toMatch(/^\.\/(dist\/|package\.json$)/);
    }
  });
});

describe("packed packages load", () => {
  const hosts = [
    { title: "Node 24", node: process.execPath },
    { title: "the machine's own Node", node: machineNode() },
  ];
  for (const { title, node } of hosts) {
    for (const form of ["import", "require"] as const) {
      it(`by ${form} on ${title}`, { timeout: 60_000 }, async ({ skip }) => {
        if (node === undefined) {
          if (process.env["CI"]) throw new Error("this machine has no Node of its own");
          console.warn(`${title} was left out: there is none`);
          return skip("there is none");
        }
        const major = await majorOf(node);
        const entries = PUBLIC_PACKAGES.filter(({ manifest }) => major >= oldest(manifest.engines?.node))
          .flatMap(({ manifest }) => entriesOf(join(unpacked, "node_modules", manifest.name)))
          .filter((entry) => !ACTING.includes(entry) && !(form === "require" && IMPORT_ONLY.includes(entry)));
        expect(entries.length).toBeGreaterThan(5);
        const loaded = await load(node, form, entries, unpacked);
        for (const entry of entries) expect(loaded[entry], entry).toBeInstanceOf(Array);
        for (const entry of entries) expect(loaded[entry], `${entry} exports nothing`).not.toEqual([]);
      });
    }
  }

  it("after npm has installed them without a network", { timeout: 60_000 }, async () => {
    const names = [
      "@botanu/core",
      "@botanu/otlp",
      "@botanu/tracer",
      "@botanu/hono",
      "@botanu/express",
      "@botanu/workers",
    ];
    const target = join(folder, "installed");
    await installOffline(
      names.map((name) => tarballs.get(name) ?? ""),
      target,
    );
    const loaded = await load(process.execPath, "import", ["@botanu/core", "@botanu/otlp", "@botanu/tracer"], target);
    expect(loaded["@botanu/core"]).toContain("extract");
    expect(loaded["@botanu/otlp"]).toContain("OtlpTraceExporter");
    expect(loaded["@botanu/tracer"]).toContain("withRun");
  });
});

describe("the one file of an adapter", () => {
  it.each([
    ["express", "bundle", "botanu", []],
    ["hono", "bundle", "botanu", ["hono"]],
    ["hono", "bundle-workerd", "botanu", ["hono"]],
    ["workers", "bundle", "instrument", []],
  ] as const)("@botanu/%s %s loads where nothing else is", async (name, file, own, peers) => {
    const alone = await mkdtemp(join(folder, "alone-"));
    await copyFile(join(unpacked, "node_modules/@botanu", name, "dist", `${file}.js`), join(alone, "alone.mjs"));
    const text = await readFile(join(alone, "alone.mjs"), "utf8");
    const imports = Array.from(
      text.matchAll(/(?:from|import\()"([^"]+)"/g),
      ([, specifier]) => specifier?.split("/")[0],
    );
    expect(new Set(imports.filter((each) => each !== "node:async_hooks"))).toEqual(new Set(peers));
    for (const peer of peers) await link(join(unpacked, "node_modules", peer), join(alone, "node_modules", peer));
    const { "./alone.mjs": names } = await load(process.execPath, "import", ["./alone.mjs"], alone);
    expect(names).toEqual(expect.arrayContaining([own, "withRun", "step", "emitOutcome"]));
  });
});

function leaves(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(leaves) : [];
}

/** What can be imported of an unpacked package. */
function entriesOf(target: string): string[] {
  const { name, exports = {} } = readManifest(target);
  return Object.keys(exports)
    .filter((path) => !path.endsWith(".json") && !path.includes("*"))
    .map((path) => name + path.slice(1));
}

function oldest(range = ">=0"): number {
  return Number(/\d+/.exec(range)?.[0]);
}

async function majorOf(node: string): Promise<number> {
  const { stdout } = await promisify(execFile)(node, ["-p", "process.versions.node"]);
  return Number.parseInt(stdout, 10);
}
