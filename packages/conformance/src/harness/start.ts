// Starts one harness app and prints its URL as the one line of standard output: `start.ts <hono|express|workers>`.

import type { HarnessApp } from "./instruction.ts";

const KINDS: Readonly<Record<string, () => Promise<{ start(): Promise<HarnessApp> }>>> = {
  hono: () => import("./hono.ts"),
  express: () => import("./express.ts"),
  workers: () => import("./workers.ts"),
};

const kind = process.argv[2] ?? "";
const load = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
if (load === undefined) {
  process.stderr.write(`harness-app: name one of ${Object.keys(KINDS).join(", ")}\n`);
  process.exit(2);
}

const app = await (await load()).start();
process.stdout.write(`${app.url}\n`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void app.close().finally(() => process.exit(0));
  });
}
