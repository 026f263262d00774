// The handler of a function that nobody edits: `exec` puts it in the place of the function's own, which it loads and wraps. Nothing is
// patched, so CommonJS, ES modules and bundles are the same to it.

import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { pathToFileURL } from "node:url";
import { extensionReady } from "./flush.ts";
import { botanuHandler, type LambdaHandler } from "./handler.ts";

const EXTENSIONS = [".js", ".mjs", ".cjs"];

/** Names between commas. */
function list(text: string | undefined): string[] | undefined {
  const names = text?.split(",").flatMap((each) => each.trim() || []);
  return names && names.length > 0 ? names : undefined;
}

/** The function's own handler, found as the runtime client finds it. @throws Error when it is not there, or does not load */
async function load(handler: string): Promise<LambdaHandler> {
  const slash = handler.lastIndexOf("/") + 1;
  const [name = "", ...path] = handler.slice(slash).split(".");
  const file = handler.slice(0, slash) + name;
  const base = isAbsolute(file) ? file : join(process.env["LAMBDA_TASK_ROOT"] ?? process.cwd(), file);
  const found = EXTENSIONS.map((extension) => base + extension).find((each) => existsSync(each));
  if (found === undefined) throw new Error(`Cannot find module '${base}'`);
  const module = (await import(pathToFileURL(found).href)) as { readonly default?: unknown };
  // Of CommonJS an import knows the names that it could foresee; the rest is below `default`.
  for (const root of [module, module.default]) {
    const fn = path.reduce<unknown>((value, key) => (Object(value) as Record<string, unknown>)[key], root);
    if (typeof fn === "function") return fn as LambdaHandler;
  }
  throw new Error(`${handler} is undefined or not exported`);
}

const { BOTANU_HANDLER = "", BOTANU_WORKFLOW, BOTANU_TRUST, BOTANU_PROPAGATE_TO, BOTANU_TRACE_TO } = process.env;

/** Without `BOTANU_WORKFLOW` the function is a hop: it joins runs and starts none. */
export const handler: LambdaHandler = botanuHandler(
  {
    workflow: BOTANU_WORKFLOW || undefined,
    trust: BOTANU_TRUST === undefined ? undefined : BOTANU_TRUST === "true",
    propagateTo: list(BOTANU_PROPAGATE_TO),
    traceTo: list(BOTANU_TRACE_TO),
  },
  await load(BOTANU_HANDLER),
);

await extensionReady();
