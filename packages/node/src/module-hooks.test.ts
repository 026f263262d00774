import { describe, expect, it } from "vitest";
import { mayBeModule } from "./entry-format.ts";
import { packageOf } from "./module-hooks.ts";

describe("packageOf", () => {
  it.each([
    ["express", "express"],
    ["mysql2/promise", "mysql2"],
    ["@hapi/hapi", "@hapi/hapi"],
    ["@smithy/core/client", "@smithy/core"],
    ["lru-memoizer", "lru-memoizer"],
    ["socket.io", "socket.io"],
    ["/app/node_modules/pg/lib/index.js", "pg"],
    ["file:///app/node_modules/.pnpm/express@5/node_modules/express/index.js", "express"],
    ["C:\\app\\node_modules\\@nestjs\\core\\index.js", "@nestjs/core"],
    ["./local.js", undefined],
    ["../up.js", undefined],
    ["/app/main.js", undefined],
    ["node:http", undefined],
    ["file:///app/main.js", undefined],
    ["data:text/javascript,1", undefined],
  ])("%s", (specifier, expected) => {
    expect(packageOf(specifier)).toBe(expected);
  });
});

describe("mayBeModule", () => {
  const decide = (script: string | undefined, files: Record<string, string> = {}, options: string[] = []): boolean =>
    mayBeModule({
      script,
      options,
      readFile: (path) => {
        const text = files[path];
        if (text === undefined) throw new Error("no such file");
        return text;
      },
    });
  it.each<[string, boolean, string | undefined, Record<string, string>, string[]]>([
    [".mjs", true, "/a/x.mjs", {}, []],
    [".cjs", false, "/a/x.cjs", { "/a/package.json": '{"type":"module"}' }, []],
    [".mts", true, "/a/x.mts", {}, []],
    ["type module", true, "/a/src/x.js", { "/a/package.json": '{"type":"module"}' }, []],
    [
      "type commonjs",
      false,
      "/a/x.js",
      { "/a/package.json": '{"type":"commonjs"}', "/a/x.js": "import a from 'a'" },
      [],
    ],
    [
      "the nearest package.json",
      false,
      "/a/b/x.js",
      { "/a/b/package.json": "{}", "/a/package.json": '{"type":"module"}', "/a/b/x.js": "require('x')" },
      [],
    ],
    ["no type, module syntax", true, "/a/x.js", { "/a/x.js": "'use x';\nimport express from 'express';" }, []],
    ["no type, exports", true, "/a/x.ts", { "/a/x.ts": "export { a };" }, []],
    ["no type, a dynamic import", false, "/a/x.js", { "/a/x.js": "import('x').then(main)" }, []],
    ["no type, CommonJS", false, "/a/x.js", { "/a/x.js": "const important = require('x')" }, []],
    ["a package.json that is none", false, "/a/x.js", { "/a/package.json": "{", "/a/x.js": "1" }, []],
    ["a script named without its ending", true, "/a/x", { "/a/x.js": "import 'a'" }, []],
    ["nothing to read", false, "/a/x", {}, []],
    ["an evaluated module", true, undefined, {}, ["--input-type=module"]],
    ["an evaluated script", false, undefined, {}, []],
    ["a loader", true, "/a/x.cjs", {}, ["--experimental-loader ts-node/esm"]],
  ])("%s", (_, expected, script, files, options) => {
    expect(decide(script, files, options)).toBe(expected);
  });
});
