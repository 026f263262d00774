// Every figure that the project states about itself, beside its peers, in one run. Prints one Markdown table;
// `--json FILE` writes the rows as data as well, `--only TEXT` keeps the rows whose id contains the text.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Bundle, bundleFile, packageSource } from "./bundle.ts";
import { lambdaRows } from "./lambda.ts";
import { measure, roundRobin } from "./processes.ts";
import { holds, markdown, type Row } from "./rows.ts";
import { type Delivery, deliver } from "./workerd-delivery.ts";

const { values } = parseArgs({
  options: { json: { type: "string" }, only: { type: "string" }, rounds: { type: "string", default: "5" } },
});
const ROUNDS = Number(values.rounds);
const OURS = "botanu";
const PLAIN = "sdk-trace-base 2.12";
const KIB = 1024;

const here = (path: string): string => new URL(path, import.meta.url).pathname;
const HANDLERS: Readonly<Record<string, string>> = {
  [OURS]: here("handlers/botanu.ts"),
  [PLAIN]: here("handlers/otel-2.ts"),
  "sdk-trace 3.1": here("../otel-3/src/handler.ts"),
  "otel-cf-workers": here("handlers/cf-workers.ts"),
  "@hono/otel": here("handlers/hono-otel.ts"),
};
const LIBRARIES: Readonly<Record<string, string>> = {
  [OURS]: here("libraries/botanu.ts"),
  [PLAIN]: here("libraries/otel-2.ts"),
  "sdk-trace 3.1": here("../otel-3/src/library.ts"),
};

const folder = mkdtempSync(join(tmpdir(), "botanu-bench-"));
const rows: Row[] = [];
const steps: readonly (readonly [string, () => Promise<Row[]>])[] = [
  ["size", sizes],
  ["span", () => ratio("span", 0.3, [OURS, PLAIN, "sdk-trace 3.1"])],
  [
    "baggage.extract",
    () => ratio("baggage.extract", 0.5, [OURS, PLAIN, "sdk-trace 3.1"], "@opentelemetry/core 2.12 = 1"),
  ],
  [
    "baggage.inject",
    () => ratio("baggage.inject", 0.5, [OURS, PLAIN, "sdk-trace 3.1"], "@opentelemetry/core 2.12 = 1"),
  ],
  ["otlp.json", () => ratio("otlp.json", 0.6, [OURS, PLAIN], "otlp-transformer 0.223 = 1")],
  ["otlp.protobuf", () => ratio("otlp.protobuf", 0.6, [OURS, PLAIN], "otlp-transformer 0.223 = 1")],
  ["request", requests],
  ["workerd", deliveries],
  ["lambda", () => lambdaRows(folder, ROUNDS + 4)],
];

try {
  for (const [name, step] of steps) {
    if (values.only !== undefined && !name.includes(values.only)) continue;
    process.stderr.write(`measuring ${name} …\n`);
    rows.push(...(await step()));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, ${platform()} ${arch()}, Node ${process.versions.node}`;
process.stdout.write(markdown(rows, machine, new Date().toISOString().slice(0, 10)));
const missed = rows.filter((row) => !holds(row));
if (missed.length > 0) process.stderr.write(`goals not reached: ${missed.map((row) => row.id).join(", ")}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, undefined, 2)}\n`);

/** Gzip bytes of what is deployed. The host's framework is left out on both sides. */
async function sizes(): Promise<Row[]> {
  const external = ["hono", "hono/*"];
  const kib = ({ gzipBytes }: Bundle): number => gzipBytes / KIB;
  const core = await bundleFile(here("handlers/core-used.ts"));
  const everything = await bundleFile(packageSource("core"));
  const ours = await bundleFile(here("handlers/botanu-both.ts"), { external });
  const peers: Record<string, number> = {};
  for (const [name, file] of Object.entries(HANDLERS)) {
    if (name !== OURS) peers[name] = kib(await bundleFile(file, { external }));
  }
  return [
    {
      id: "size.core",
      unit: "KiB gzip",
      ours: kib(core),
      goal: 2,
      peers: { "everything that core exports": kib(everything) },
    },
    { id: "size.workers", unit: "KiB gzip", ours: kib(ours), goal: 6, peers },
  ];
}

/** Time of one operation; the plain 2.12 line is 1. */
async function ratio(name: string, goal: number, libraries: readonly string[], unit = `${PLAIN} = 1`): Promise<Row[]> {
  const subjects = libraries.map(
    (library) => [library, () => measure("time-case.ts", [LIBRARIES[library] ?? "", name])] as const,
  );
  const times = await roundRobin(Object.fromEntries(subjects), ROUNDS);
  const of = (library: string): number => (times[library]?.best ?? Number.NaN) / (times[PLAIN]?.best ?? Number.NaN);
  const peers = Object.fromEntries(libraries.filter((each) => each !== OURS).map((each) => [each, of(each)]));
  return [{ id: name, unit, ours: of(OURS), goal, peers }];
}

/** CPU of a whole traced request, and the heap that it leaves behind, with the network answered from memory. */
async function requests(): Promise<Row[]> {
  const bundles: Record<string, string> = {};
  for (const [name, file] of Object.entries(HANDLERS)) {
    const path = join(folder, `${Object.keys(bundles).length}.mjs`);
    writeFileSync(path, (await bundleFile(file, { forNode: true })).text);
    bundles[name] = path;
  }
  const subjects = (kind: string) =>
    Object.fromEntries(
      Object.entries(bundles).map(([name, path]) => [name, () => measure("run-handler.ts", [path, kind])]),
    );
  const cpu = await roundRobin(subjects("cpu"), ROUNDS);
  const heap = await roundRobin(subjects("heap"), 3);
  const plain = cpu[PLAIN]?.best ?? Number.NaN;
  const others = Object.keys(bundles).filter((name) => name !== OURS);
  return [
    {
      id: "request.cpu",
      unit: `${PLAIN} = 1`,
      ours: (cpu[OURS]?.best ?? Number.NaN) / plain,
      goal: 0.6,
      peers: Object.fromEntries(others.map((name) => [name, (cpu[name]?.best ?? Number.NaN) / plain])),
    },
    {
      id: "request.heap",
      unit: "bytes kept",
      ours: heap[OURS]?.median ?? Number.NaN,
      goal: 100,
      peers: Object.fromEntries(others.map((name) => [name, heap[name]?.median ?? Number.NaN])),
    },
  ];
}

/** What arrives of concurrent requests to real workerd, and in how many POSTs. */
async function deliveries(): Promise<Row[]> {
  const results: Record<string, readonly [Delivery, Delivery]> = {};
  for (const [name, file] of Object.entries(HANDLERS)) {
    const { text } = await bundleFile(file);
    results[name] = [await deliver(text, 20), await deliver(text, 200)];
  }
  const row = (
    id: string,
    unit: string,
    goal: number,
    atLeast: boolean,
    pick: (pair: readonly [Delivery, Delivery]) => number,
  ): Row => {
    const { [OURS]: ours, ...peers } = Object.fromEntries(
      Object.entries(results).map(([name, pair]) => [name, pick(pair)]),
    );
    return { id, unit, ours: ours ?? Number.NaN, goal, atLeast, peers };
  };
  return [
    row("delivered.20", "of 20 concurrent requests", 20, true, ([twenty]) => twenty.complete),
    row("delivered.200", "of 200 concurrent requests", 200, true, ([, many]) => many.complete),
    row("posts", "POSTs per request", 1, false, ([, many]) => many.postsPerRequest),
    row("run_id", "share of spans with the run", 1, true, ([, many]) => many.runIdShare),
  ];
}
