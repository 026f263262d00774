import type { Extracted, Propagation, RunContext } from "@botanu/core";

import { assert, assertEqual, type Case } from "./case.ts";
import type { Library } from "./suite.ts";
import * as vectors from "./vectors.ts";

/** What crosses a process border: read, written, both in a row, and where it may go. */
export function propagationCases(library: Library): Case[] {
  return [
    ...extractCases("read", vectors.extractRows, library),
    ...extractCases("read from the Python SDK", vectors.pythonRows, library),
    ...injectCases(library),
    ...roundTripCases(library),
    ...destinationCases(library),
  ];
}

function extractCases(prefix: string, rows: readonly vectors.ExtractRow[], { core }: Library): Case[] {
  return rows.flatMap((row) =>
    Object.entries(carriers(row)).map(([form, carrier]) => ({
      title: `${prefix}: ${row.title} (${form})`,
      run: () => {
        const options = row.trust === undefined ? {} : { trust: row.trust };
        // A row's carrier is whatever a host may hand over; the type of carriers is narrower on purpose.
        assertExtracted(core.extract(carrier as Parameters<typeof core.extract>[0], options), row.expect);
      },
    })),
  );
}

/** A row in every form of carrier that can hold it. */
function carriers({ carrier }: vectors.ExtractRow): Record<string, unknown> {
  const forms: Record<string, unknown> = { record: carrier };
  const entries = Object.entries(carrier);
  if (entries.every(([name]) => name === name.toLowerCase())) forms["map"] = new Map(entries);
  if (entries.every(([, value]) => typeof value === "string" || Array.isArray(value))) {
    const headers = new Headers();
    for (const [name, value] of entries) {
      for (const each of [value].flat()) headers.append(name, String(each));
    }
    forms["headers"] = headers;
  }
  return forms;
}

function assertExtracted(actual: Extracted, expected: vectors.ExtractRow["expect"]): void {
  if (expected.run !== undefined) assertEqual(actual.run ?? null, expected.run);
  if (expected.runId !== undefined) assertEqual(actual.run?.runId, expected.runId);
  if (expected.traceId !== undefined) assertEqual(actual.spanContext?.traceId ?? null, expected.traceId);
  if (expected.spanId !== undefined) assertEqual(actual.spanContext?.spanId, expected.spanId);
  if (expected.traceFlags !== undefined) assertEqual(actual.spanContext?.traceFlags, expected.traceFlags);
  if (expected.traceId) assertEqual(actual.spanContext?.isRemote, true);
  if (expected.tracestate !== undefined) {
    assertEqual(actual.spanContext?.traceState?.serialize() ?? "", expected.tracestate);
  }
  if (expected.foreign !== undefined) assertEqual(actual.baggage ?? [], expected.foreign);
  assertEqual(actual.untrustedRunId, expected.untrustedRunId);
}

function injectCases(library: Library): Case[] {
  return vectors.injectRows.map((row) => ({
    title: `written: ${row.title}`,
    run: () => {
      const carrier: Record<string, string> = {};
      library.core.inject(propagationOf(row, library), carrier);
      const header = carrier["baggage"] ?? "";
      const members = header.split(",");
      if (row.expect) assertEqual(carrier, row.expect);
      if (row.decoded) {
        const values = new Map(library.core.parseBaggage(header).map(({ key, value }) => [key, value]));
        for (const [key, value] of Object.entries(row.decoded)) assertEqual(values.get(key), value);
      }
      for (const text of row.forbidden ?? []) assert(!header.includes(text), `${JSON.stringify(text)} in ${header}`);
      if (row.members !== undefined) assertEqual(members.length, row.members);
      if (row.lastMember !== undefined) assertEqual(members.at(-1), row.lastMember);
      if (row.startsWith !== undefined) assertEqual(header.slice(0, row.startsWith.length), row.startsWith);
      if (row.maxBytes !== undefined) assert(header.length <= row.maxBytes, `${header.length} bytes`);
    },
  }));
}

function propagationOf({ propagation }: vectors.InjectRow, { core }: Library): Propagation {
  const { spanContext, run, baggage, foreignCount } = propagation;
  const foreign = foreignCount === undefined ? baggage : Array.from({ length: foreignCount }, (_, n) => `f${n}=1`);
  return {
    ...(run && { run }),
    ...(foreign && { baggage: foreign.map(vectors.text) }),
    ...(spanContext && {
      spanContext: {
        traceId: spanContext.traceId,
        spanId: spanContext.spanId,
        traceFlags: spanContext.traceFlags,
        ...(spanContext.tracestate !== undefined && { traceState: core.createTraceState(spanContext.tracestate) }),
      },
    }),
  };
}

const FULL_RUN: RunContext = {
  runId: "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071",
  workflow: "Größe + Gewicht",
  eventId: "order/42;p=1,b=2",
  customerId: 'c "9" 100%',
  environment: "staging",
  tenantId: "\u6f22\u5b57 \ud83d\ude00",
  parentRunId: "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6072",
  rootRunId: "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6070",
  attempt: 3,
  retryOfRunId: "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6073",
  deadline: 1_795_415_461_674,
  cancelled: true,
  step: "draft reply",
};

function roundTripCases({ core }: Library): Case[] {
  const propagation: Propagation = {
    run: FULL_RUN,
    baggage: ["a=1;p=2", "b=%2B"],
    spanContext: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 3 },
  };
  const back = {
    run: FULL_RUN,
    foreign: ["a=1;p=2", "b=%2B"],
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: 3,
    tracestate: `botanu=${FULL_RUN.runId}`,
  };
  return [
    {
      title: "written and read: all thirteen keys survive a record",
      run: () => {
        const carrier: Record<string, string> = {};
        core.inject(propagation, carrier);
        assertExtracted(core.extract(carrier, { trust: true }), back);
      },
    },
    {
      title: "written and read: all thirteen keys survive Headers",
      run: () => {
        const carrier = new Headers();
        core.inject(propagation, carrier);
        assertExtracted(core.extract(carrier, { trust: true }), back);
      },
    },
    {
      title: "written and read: all thirteen keys survive message attributes",
      run: () => {
        const attributes = {};
        core.injectAttributes(propagation, attributes);
        assertExtracted(core.extract(attributes, { trust: true }), back);
      },
    },
    {
      title: "written and read: all thirteen keys survive the reserved member of a JSON body",
      run: () => {
        const body = { order: 42 };
        const sent = core.injectEnvelope(body, propagation);
        assertEqual(body, { order: 42 });
        assertExtracted(core.extractEnvelope(JSON.parse(JSON.stringify(sent)), { trust: true }), back);
      },
    },
    ...[undefined, null, 7, "text", [], {}, { _botanu: null }, { _botanu: "x" }, { _botanu: { baggage: 7 } }].map(
      (body) => ({
        title: `read: a body without an envelope is no run: ${JSON.stringify(body) ?? "undefined"}`,
        run: () => assertEqual(core.extractEnvelope(body, { trust: true }).run, undefined),
      }),
    ),
  ];
}

function destinationCases({ core }: Library): Case[] {
  return vectors.destinations.map((row) => ({
    title: `destination: ${row.title}: ${row.url}`,
    run: () => {
      const { baggage, trace } = core.createDestinationPolicy(row.options)(new URL(row.url));
      assertEqual({ baggage, trace }, { baggage: row.baggage, trace: row.trace });
    },
  }));
}
