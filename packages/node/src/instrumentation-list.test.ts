import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Instrumentation } from "@opentelemetry/instrumentation";
import { describe, expect, it } from "vitest";
import { enabledInstrumentations, LAMBDA, LISTED, METRICS_ONLY } from "./instrumentation-list.ts";
import { INSTRUMENTATIONS, requireOf } from "./otel-modules.ts";

type Patching = Instrumentation & { getModuleDefinitions(): ReadonlyArray<{ readonly name: string }> };

const ALL = [...LISTED, LAMBDA, ...METRICS_ONLY];
const manifest = join(dirname(createRequire(import.meta.url).resolve(INSTRUMENTATIONS)), "../../package.json");
const PREFIX = "@opentelemetry/instrumentation-";

describe("the list of instrumentations", () => {
  it("has every one that the installed bundle has", () => {
    const { dependencies } = JSON.parse(readFileSync(manifest, "utf8")) as { dependencies: Record<string, string> };
    const bundled = Object.keys(dependencies).filter((name) => name.startsWith(PREFIX));
    expect(ALL.map(({ name }) => PREFIX + name).toSorted()).toEqual(bundled.toSorted());
  });

  it.each(ALL.map((each) => [each.name, each] as const))("knows what %s patches", (name, listed) => {
    const exported = requireOf<Record<string, new (config: object) => Patching>>(INSTRUMENTATIONS, PREFIX + name);
    const classes = Object.keys(exported).filter((each) => each.endsWith("Instrumentation"));
    expect(classes).toHaveLength(1);
    const Class = exported[String(classes[0])];
    const patched = new Set(
      Class === undefined ? [] : new Class({ enabled: false }).getModuleDefinitions().map((each) => each.name),
    );
    expect([...listed.packages, ...listed.builtins].toSorted()).toEqual([...patched].toSorted());
  });
});

describe("enabledInstrumentations", () => {
  const names = (env: Record<string, string>, metrics = false): string[] =>
    enabledInstrumentations(env, metrics).map(({ name }) => name);

  it("leaves out what is noise or has no use", () => {
    const enabled = names({});
    expect(enabled).toEqual(expect.arrayContaining(["http", "undici", "express", "pg"]));
    for (const name of ["fs", "dns", "net", "aws-lambda", "runtime-node", "host-metrics"])
      expect(enabled).not.toContain(name);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ["exactly those enabled", { OTEL_NODE_ENABLED_INSTRUMENTATIONS: "http, dns" }, ["http", "dns"]],
    [
      "less those disabled",
      { OTEL_NODE_ENABLED_INSTRUMENTATIONS: "http,dns", OTEL_NODE_DISABLED_INSTRUMENTATIONS: "dns" },
      ["http"],
    ],
    ["none of that name", { OTEL_NODE_ENABLED_INSTRUMENTATIONS: "nothing" }, []],
  ])("takes %s", (_, env, expected) => {
    expect(names(env)).toEqual(expected);
  });

  it("takes those for metrics and for Lambda where they are of use", () => {
    expect(names({}, true)).toContain("runtime-node");
    expect(names({}, true)).not.toContain("host-metrics");
    expect(names({ AWS_LAMBDA_FUNCTION_NAME: "f" })).toContain("aws-lambda");
    expect(names({ OTEL_NODE_DISABLED_INSTRUMENTATIONS: "http,express" })).not.toContain("express");
  });
});
