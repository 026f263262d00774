import type * as core from "@botanu/core";
import type * as tracer from "@botanu/tracer";

import { codecCases } from "./codec-cases.ts";
import { contextCases } from "./context-cases.ts";
import { propagationCases } from "./propagation-cases.ts";
import { tracerCases } from "./tracer-cases.ts";
import type { Case } from "./case.ts";

/** What is judged: the packages themselves, so that source, build product and bundle can be put to the same suite. */
export interface Library {
  readonly core: typeof core;
  readonly tracer: typeof tracer;
}

/** What the runtime is known to have. */
export interface Host {
  /** Whether a context follows promises and timers by itself; without that, contexts are passed by hand. */
  readonly store: boolean;
}

/** Every promise that holds in every runtime. */
export function suite(library: Library, host: Host): readonly Case[] {
  return [
    ...codecCases(library),
    ...propagationCases(library),
    ...contextCases(library, host),
    ...tracerCases(library, host),
  ];
}
