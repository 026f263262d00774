import { defineConfig } from "vitest/config";

// One configuration for every package: a test stands beside its source, and names a real host where one is needed.
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["packages/**/src/**/*.test.ts", "apps/**/src/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    coverage: {
      provider: "v8",
      include: ["packages/core/src/**/*.ts"],
      reporter: ["text"],
    },
  },
});
