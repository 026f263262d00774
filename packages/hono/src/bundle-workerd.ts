// The adapter and all that an application in workerd uses beside it, for one file without dependencies.

export * from "@botanu/tracer";
export * from "./workerd.ts";
