// The examples of all READMEs, taken out of them and compiled as a stranger's compiler would; those of the root README are run too.

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const FOLDER = new URL("../.snippets/", import.meta.url);
const ROOT = new URL("../../../", import.meta.url);

const snippets = new Map(snippetsOf(new URL("README.md", ROOT)));
const ofPackages = new Map(
  readdirSync(new URL("packages/", ROOT)).flatMap((folder) =>
    snippetsOf(new URL(`packages/${folder}/README.md`, ROOT)).map(
      ([name, code]) => [`${folder}-${name}`, code] as const,
    ),
  ),
);

/** Names and code of a README's blocks in TypeScript. */
function snippetsOf(file: URL): [string, string][] {
  const blocks = readFileSync(file, "utf8").matchAll(/^```ts ?(\S*)\n(.*?)^```$/gms);
  return Array.from(blocks, ([, name, code = ""], index) => [name || `${index + 1}.ts`, code]);
}

beforeAll(() => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  for (const [name, code] of snippets) writeFileSync(new URL(name, FOLDER), code);
  for (const [name, code] of ofPackages) writeFileSync(new URL(name, FOLDER), `${code}export {};\n`);
  const compilerOptions = {
    noEmit: true,
    skipLibCheck: true,
    isolatedDeclarations: false,
    declaration: false,
    declarationMap: false,
    noUnusedLocals: false,
    types: ["node"],
  };
  writeFileSync(
    new URL("tsconfig.json", FOLDER),
    JSON.stringify({ extends: "../../../tsconfig.base.json", compilerOptions, include: ["*.ts"] }),
  );
});

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

function load(name: string): Promise<Record<string, unknown>> {
  return import(/* @vite-ignore */ new URL(name, FOLDER).href) as Promise<Record<string, unknown>>;
}

async function listen(server: Server): Promise<string> {
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the README's examples", () => {
  it("are all there", () => {
    expect([...snippets.keys()]).toEqual(["worker.ts", "hono.ts", "express.ts", "lambda.ts", "function.ts"]);
    expect(ofPackages.size).toBeGreaterThan(10);
  });

  it("compile", async () => {
    const tsc = new URL("node_modules/.bin/tsc", ROOT).pathname;
    await expect(promisify(execFile)(tsc, ["-p", FOLDER.pathname])).resolves.toMatchObject({ stdout: "" });
  });

  it("start a run in a Worker, and send it on", async () => {
    let baggage = "";
    const upstream = createServer((request, response) => {
      baggage = String(request.headers.baggage);
      response.end("ok");
    });
    const { outputFiles } = await build({
      entryPoints: [new URL("worker.ts", FOLDER).pathname],
      bundle: true,
      write: false,
      format: "esm",
      conditions: ["workerd", "worker", "browser"],
      external: ["node:*"],
    });
    const runtime = new Miniflare({
      modules: true,
      script: outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-04-01",
      compatibilityFlags: ["nodejs_als"],
      bindings: { ORDERS: await listen(upstream) },
    });
    try {
      const response = await fetch(await runtime.ready, { headers: { "x-customer": "acme" } });
      expect(response.headers.get("x-botanu-run-id")).toMatch(UUID_V7);
      expect(baggage).toContain(
        `botanu.run_id=${response.headers.get("x-botanu-run-id")},botanu.workflow=order,botanu.customer_id=acme`,
      );
    } finally {
      await runtime.dispose();
      upstream.close().closeAllConnections();
    }
  });

  it("start a run in Hono", async () => {
    const { app } = (await load("hono.ts")) as { app: { request(path: string): Promise<Response> } };
    const response = await app.request("/orders/7");
    expect(await response.text()).toBe("7");
    expect(response.headers.get("x-botanu-run-id")).toMatch(UUID_V7);
  });

  it("start a run in Express", async () => {
    const { app } = (await load("express.ts")) as { app: Parameters<typeof createServer>[1] };
    const server = createServer(app);
    try {
      const response = await fetch(`${await listen(server)}/orders/7`);
      expect(await response.text()).toBe("7");
      expect(response.headers.get("x-botanu-run-id")).toMatch(UUID_V7);
    } finally {
      server.close().closeAllConnections();
    }
  });

  it("start a run in a Lambda function", async () => {
    const { handler } = (await load("lambda.ts")) as { handler(event: { id: string }): Promise<object> };
    await expect(handler({ id: "7" })).resolves.toEqual({ order: "7", run: expect.stringMatching(UUID_V7) as string });
  });

  it("run a function as a workflow", async () => {
    const { handle } = (await load("function.ts")) as { handle(ticket: { id: string }): Promise<string> };
    await expect(handle({ id: "t-1" })).resolves.toBe("answered t-1");
  });
});
