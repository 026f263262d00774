import type * as core from "@botanu/core";
import type * as otlp from "@botanu/otlp";
import type * as protobuf from "@botanu/otlp/protobuf";
import type * as tracer from "@botanu/tracer";

import { codecCases } from "./codec-cases.ts";
import { contextCases } from "./context-cases.ts";
import { exporterCases } from "./exporter-cases.ts";
import { propagationCases } from "./propagation-cases.ts";
import { tracerCases } from "./tracer-cases.ts";
import type { Case } from "./case.ts";

/** What is judged: the packages themselves, so that source, build product and bundle can be put to the same suite. */
export interface Library {
  readonly core: typeof core;
  readonly tracer: typeof tracer;
  readonly otlp: typeof otlp;
  readonly protobuf: typeof protobuf;
}

/** What the runtime is known to have. */
export interface Host {
  /** Whether a context follows promises and timers by itself; without that, contexts are passed by hand. */
  readonly store: boolean;
  /** URL of a fault receiver; without one the exporter is left out. */
  readonly receiver?: string | undefined;
}

/** Every promise that holds in every runtime. */
export function suite(library: Library, host: Host): readonly Case[] {
  return [
    ...codecCases(library),
    ...propagationCases(library),
    ...contextCases(library, host),
    ...tracerCases(library, host),
    ...(host.receiver ? exporterCases(library, host.receiver) : []),
  ];
}
