// The adapter and all that an application uses beside it, for one file without dependencies.

export * from "@botanu/tracer";
export * from "./index.ts";
