// What tracing costs a Lambda function: code, initialization, answer and delivery, under AWS's own runtime client, beside peers.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { LambdaHost } from "@botanu/conformance/lambda";
import { build } from "esbuild";
import type { Row } from "./rows.ts";

const BARE = "bare";
const OURS = "botanu";
const INVOCATIONS = 12;
const BACKEND_MILLIS = 100;

const here = (path: string): string => new URL(path, import.meta.url).pathname;
const FUNCTIONS: Readonly<Record<string, string>> = {
  [BARE]: here("functions/bare.ts"),
  [OURS]: here("functions/botanu.ts"),
  "NodeSDK 2.x": here("functions/node-sdk.ts"),
  "NodeSDK 3.x": here("../otel-3/src/function.ts"),
  Powertools: here("functions/powertools.ts"),
};

/** Bundles a function as it would be deployed: one minified ES module for Node, with a `require` for peers that want one. */
async function bundleFunction(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "error",
    ...(file.endsWith("bare.ts") || file.endsWith("botanu.ts")
      ? {}
      : {
          banner: {
            js: 'import{createRequire as $}from"node:module";const require=$(import.meta.url);const __filename="",__dirname="";',
          },
        }),
  });
  return outputFiles[0]?.text ?? "";
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Milliseconds from the start of a process until it asks for its first event. */
async function initialization(handler: string, remote: boolean): Promise<number> {
  const host = await LambdaHost.start({ handler, remote });
  try {
    const started = performance.now();
    await host.initialize();
    return performance.now() - started;
  } finally {
    await host.close();
  }
}

/** Invocations with a freeze after each: the median answer, and how many have their spans at the receiver then. */
async function invocations(handler: string): Promise<{ millis: number; delivered: number }> {
  const host = await LambdaHost.start({ handler, remote: true, backendDelayMillis: BACKEND_MILLIS });
  try {
    const millis: number[] = [];
    let delivered = 0;
    for (let index = 0; index < INVOCATIONS; index++) {
      const { responseMs, spans } = await host.invoke({ index });
      millis.push(responseMs);
      if (spans.length > 0) delivered++;
    }
    return { millis: median(millis), delivered };
  } finally {
    await host.close();
  }
}

/** All rows of Lambda. */
export async function lambdaRows(folder: string, rounds: number): Promise<Row[]> {
  const files: Record<string, string> = {};
  const sizes: Record<string, number> = {};
  for (const [name, file] of Object.entries(FUNCTIONS)) {
    const text = await bundleFunction(file);
    const path = join(folder, `function-${Object.keys(files).length}.mjs`);
    writeFileSync(path, text);
    files[name] = path;
    sizes[name] = gzipSync(text, { level: 9 }).length / 1024;
  }
  const starts: Record<string, number[]> = {};
  const remoteStarts: number[] = [];
  const answers: Record<string, Awaited<ReturnType<typeof invocations>>> = {};
  // Interleaved, so that what else the machine does meets all alike.
  for (let round = 0; round < rounds; round++) {
    for (const [name, path] of Object.entries(files)) (starts[name] ??= []).push(await initialization(path, false));
    remoteStarts.push(await initialization(files[OURS] ?? "", true));
  }
  for (const [name, path] of Object.entries(files)) answers[name] = await invocations(path);
  const row = (id: string, unit: string, goal: number, of: (name: string) => number, atLeast = false): Row => ({
    id,
    unit,
    ours: of(OURS),
    goal,
    atLeast,
    peers: Object.fromEntries(
      Object.keys(files)
        .slice(2)
        .map((name) => [name, of(name)]),
    ),
  });
  const over = (name: string): number => median(starts[name] ?? []) - median(starts[BARE] ?? []);
  return [
    row("lambda.size", "KiB gzip", 6, (name) => sizes[name] ?? Number.NaN),
    row("lambda.load", "ms over the bare handler", 2, over),
    {
      id: "lambda.load.extension",
      unit: "ms over the bare handler, with the extension for a receiver elsewhere",
      ours: median(remoteStarts) - median(starts[BARE] ?? []),
      goal: 2,
      peers: {},
    },
    row(
      "lambda.response",
      `ms over the bare handler, receiver at ${BACKEND_MILLIS} ms`,
      15,
      (name) => (answers[name]?.millis ?? Number.NaN) - (answers[BARE]?.millis ?? Number.NaN),
    ),
    row(
      "lambda.delivered",
      `of ${INVOCATIONS} invocations with a freeze, at an OTLP receiver`,
      INVOCATIONS,
      (name) => answers[name]?.delivered ?? 0,
      true,
    ),
  ];
}
