import { textOf, type Environment } from "./environment.ts";

/** An instrumentation by its short name, as `OTEL_NODE_ENABLED_INSTRUMENTATIONS` spells it. */
export interface ListedInstrumentation {
  readonly name: string;
  /** npm packages that it patches; loading one of them loads the instrumentation. */
  readonly packages: readonly string[];
  /** Builtin modules that it patches, at once. */
  readonly builtins: readonly string[];
  /** It has to be asked for by name. */
  readonly optional: boolean;
}

/** They patch the npm package that has their own name. */
const NAMESAKES =
  "amqplib bunyan cassandra-driver connect dataloader express generic-pool graphql ioredis kafkajs knex koa " +
  "lru-memoizer memcached mongodb mongoose mysql mysql2 openai oracledb pino restify router socket.io tedious winston";

const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "aws-sdk": [
    "@aws-sdk/middleware-stack",
    "@smithy/middleware-stack",
    "@smithy/core",
    "@aws-sdk/smithy-client",
    "@smithy/smithy-client",
  ],
  cucumber: ["@cucumber/cucumber"],
  grpc: ["@grpc/grpc-js"],
  hapi: ["@hapi/hapi"],
  "nestjs-core": ["@nestjs/core"],
  pg: ["pg", "pg-pool"],
  redis: ["redis", "@redis/client", "@node-redis/client"],
};

const BUILTINS: Readonly<Record<string, readonly string[]>> = {
  http: ["http", "https"],
  undici: [],
  dns: ["dns", "dns/promises"],
  net: ["net"],
  fs: ["fs", "fs/promises"],
};

/** A span for every file, lookup and connection says little about a run and costs as much as any other. */
const NOISY: ReadonlySet<string> = new Set(["fs", "dns", "net"]);

/** All instrumentations of the bundle that make spans in services, and what each one waits for. */
export const LISTED: readonly ListedInstrumentation[] = [
  ...Object.entries(BUILTINS).map(([name, builtins]) => ({ name, packages: [], builtins, optional: NOISY.has(name) })),
  ...NAMESAKES.split(" ").map((name) => ({ name, packages: [name], builtins: [], optional: false })),
  ...Object.entries(PACKAGES).map(([name, packages]) => ({ name, packages, builtins: [], optional: false })),
];

/** These make metrics only, and are of no use without a meter provider. */
export const METRICS_ONLY: readonly ListedInstrumentation[] = [
  { name: "runtime-node", packages: [], builtins: [], optional: false },
  { name: "host-metrics", packages: [], builtins: [], optional: true },
];

/** Needs a Lambda runtime. */
export const LAMBDA: ListedInstrumentation = { name: "aws-lambda", packages: [], builtins: [], optional: false };

/** What the environment leaves on: all but the optional ones, or exactly those enabled, less those disabled. */
export function enabledInstrumentations(env: Environment, metrics: boolean = false): ListedInstrumentation[] {
  const enabled = names(env, "OTEL_NODE_ENABLED_INSTRUMENTATIONS");
  const disabled = names(env, "OTEL_NODE_DISABLED_INSTRUMENTATIONS");
  const lambda = textOf(env, "AWS_LAMBDA_FUNCTION_NAME") === undefined ? [] : [LAMBDA];
  return [...LISTED, ...lambda, ...(metrics ? METRICS_ONLY : [])].filter(
    ({ name, optional }) => !disabled?.has(name) && (enabled === undefined ? !optional : enabled.has(name)),
  );
}

function names(env: Environment, variable: string): Set<string> | undefined {
  const value = textOf(env, variable);
  return value === undefined ? undefined : new Set(value.split(",").map((name) => name.trim()));
}
