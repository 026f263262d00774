import * as core from "@botanu/core";
import * as tracer from "@botanu/tracer";
import { describe, expect, it } from "vitest";

import { runCases } from "./case.ts";
import { suite, type Library } from "./suite.ts";

describe("the portable suite holds in this Node", () => {
  for (const each of suite({ core, tracer }, { store: true })) it(each.title, each.run);
});

describe("the portable suite notices", () => {
  const broken: Record<string, Partial<Library["core"]>> = {
    "a traceparent reader that takes upper case": {
      parseTraceparent: (header) => core.parseTraceparent(header.toLowerCase()),
    },
    "a tracestate reader that drops members, not lists": {
      parseTracestate: (header) => core.parseTracestate(header) ?? [],
    },
    "a baggage reader that reads a plus as a space": {
      parseBaggage: (header) => core.parseBaggage(header.replaceAll("+", "%20")),
    },
    "a baggage writer that leaves the plus alone": {
      formatBaggage: (members) => core.formatBaggage(members).replaceAll("%2B", "+"),
    },
    "a run id that is not folded": { parseRunId: (text) => core.parseRunId(text) && String(text) },
    "a reader that trusts everybody": { extract: (carrier) => core.extract(carrier, { trust: true }) },
    "a writer that forgets the trace state": {
      inject: ({ run, baggage }, carrier, options) => core.inject({ run, baggage }, carrier, options),
    },
    "a policy that lets everything out": {
      createDestinationPolicy: () => () => ({ baggage: true, trace: true }),
    },
    "a context that is not kept": { withContext: (_context, fn) => fn() },
  };
  for (const [title, parts] of Object.entries(broken)) {
    it(title, async () => {
      const { failures } = await runCases(suite({ core: { ...core, ...parts }, tracer }, { store: true }));
      expect(failures.length).toBeGreaterThan(0);
    });
  }
});
