import * as core from "@botanu/core";
import * as otlp from "@botanu/otlp";
import * as protobuf from "@botanu/otlp/protobuf";
import * as tracer from "@botanu/tracer";
import { afterAll, describe, expect, it } from "vitest";

import { runCases } from "./case.ts";
import { startFaultReceiver } from "./fault-receiver.ts";
import { suite, type Library } from "./suite.ts";

const library: Library = { core, tracer, otlp, protobuf };
const receiver = await startFaultReceiver();
afterAll(() => receiver.close());

describe("the portable suite holds in this Node", () => {
  for (const each of suite(library, { store: true, receiver: receiver.url })) it(each.title, each.run);
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
      const { failures } = await runCases(suite({ ...library, core: { ...core, ...parts } }, { store: true }));
      expect(failures.length).toBeGreaterThan(0);
    });
  }

  it("an exporter that tries once", async () => {
    class Once extends otlp.OtlpTraceExporter {
      constructor(options?: otlp.OtlpExporterOptions) {
        super({ ...options, maxAttempts: 1 });
      }
    }
    const broken = { ...library, otlp: { ...otlp, OtlpTraceExporter: Once } };
    const { failures } = await runCases(suite(broken, { store: true, receiver: receiver.url }));
    expect(failures.map(({ title }) => title)).toContain("exporter: retries 429, 502, 503 and 504");
  });
});
