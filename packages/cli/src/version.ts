// The version of this package.

import { readFileSync } from "node:fs";

/** Reads it where it is kept, beside both the source and the build product. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
