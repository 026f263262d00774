// Functions that nobody edits, under the layer that the package builds.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { LambdaHost } from "./lambda-host.ts";

const LAMBDA = fileURLToPath(new URL("../../../lambda/", import.meta.url));
const FIXTURE = fileURLToPath(new URL("handlers.fixture.ts", import.meta.url));
const RUN = "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2";
const EVENT = { n: 7, _botanu: { baggage: `botanu.run_id=${RUN},botanu.workflow=order` } };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "botanu-layer-"));
  const built = spawnSync(
    process.execPath,
    [fileURLToPath(new URL("../../../../.config/bundle.mjs", import.meta.url))],
    { cwd: LAMBDA },
  );
  if (built.status !== 0) throw new Error(built.stderr.toString());
  cpSync(join(LAMBDA, "dist", "layer"), join(folder, "opt"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const BODY = "async (event) => ({ twice: event.n * 2 })";
const FORMS: Record<string, string> = {
  "esm.mjs": `export const handler = ${BODY};`,
  "common.cjs": `exports.handler = ${BODY};`,
  "common-whole.js": `module.exports = { handler: ${BODY} };`,
  "getters.cjs": `Object.defineProperty(exports, "handler", { enumerable: true, get: () => fn }); const fn = ${BODY};`,
};

describe("a function under the layer", () => {
  it.each(Object.keys(FORMS).flatMap((file) => ([4, 3] as const).map((client) => [file, client] as const)))(
    "in %s, under client %i, joins the run of its caller",
    async (file, client) => {
      writeFileSync(join(folder, file), FORMS[file] ?? "");
      const host = await LambdaHost.start({
        handler: join(folder, file),
        client,
        wrapper: join(folder, "opt/botanu/exec"),
      });
      try {
        const { result, spans } = await host.invoke(EVENT);
        expect(result).toEqual({ twice: 14 });
        expect(spans.map(({ name, attributes }) => [name, attributes["botanu.run_id"]])).toEqual([["orders", RUN]]);
      } finally {
        await host.close();
      }
    },
  );

  it("that was bundled, and starts runs by a variable", async () => {
    const outfile = join(folder, "bundled.js");
    await build({
      entryPoints: [FIXTURE],
      outfile,
      bundle: true,
      platform: "node",
      format: "cjs",
      target: "node20",
      logLevel: "error",
    });
    const env = { BOTANU_WORKFLOW: "order", OTEL_SERVICE_NAME: "shop" };
    const host = await LambdaHost.start({
      handler: `${outfile}#asyncBare`,
      wrapper: join(folder, "opt/botanu/exec"),
      env,
      remote: true,
    });
    try {
      const { result, spans } = await host.invoke({ n: 7 });
      expect(result).toEqual({ twice: 14 });
      expect(spans.map(({ name }) => name)).toEqual(["botanu.run/order", "orders"]);
      expect(spans[0]?.resource["service.name"]).toBe("shop");
      expect(host.api.extensions).toEqual([["INVOKE"]]);
    } finally {
      await host.close();
    }
  });

  it("that cannot be loaded says why, as without it", async () => {
    writeFileSync(join(folder, "broken.mjs"), 'import "not-there"; export const handler = () => 1;');
    const host = await LambdaHost.start({
      handler: join(folder, "broken.mjs"),
      wrapper: join(folder, "opt/botanu/exec"),
    });
    try {
      await expect(host.invoke({})).rejects.toThrow(/not-there/);
    } finally {
      await host.close();
    }
  });
});

describe("a chain of middy", () => {
  it("is traced by a middleware", async () => {
    const host = await LambdaHost.start({ handler: `${FIXTURE}#chained` });
    try {
      const { result, spans } = await host.invoke({ order: "o-1" });
      const { run } = result as { run: { runId: string; eventId: string } };
      expect(run.eventId).toBe("o-1");
      expect(spans.map(({ name, attributes }) => [name, attributes["botanu.run_id"]])).toEqual([
        ["botanu.run/order", run.runId],
        ["orders", run.runId],
      ]);
      const failed = await host.invoke({ fail: true });
      expect(failed.error).toMatchObject({ errorType: "RangeError", errorMessage: "too many" });
      expect(failed.spans.map(({ status }) => status.code)).toEqual([2, 2]);
    } finally {
      await host.close();
    }
  });
});
