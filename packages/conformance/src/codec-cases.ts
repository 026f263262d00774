import { assert, assertEqual, type Case } from "./case.ts";
import type { Library } from "./suite.ts";
import * as vectors from "./vectors.ts";

/** Traceparent, tracestate, baggage and run id, as pure codecs. */
export function codecCases(library: Library): Case[] {
  return [...traceparentCases(library), ...tracestateCases(library), ...baggageCases(library), ...runIdCases(library)];
}

function traceparentCases({ core }: Library): Case[] {
  return [
    ...vectors.traceparent.parse.map((row) => ({
      title: `traceparent, read: ${row.title}`,
      run: () => {
        const context = core.parseTraceparent(vectors.text(row.header));
        const ids = context && { traceId: context.traceId, spanId: context.spanId, traceFlags: context.traceFlags };
        assertEqual(ids ?? null, row.expect);
      },
    })),
    ...vectors.traceparent.format.map((row) => ({
      title: `traceparent, written: ${row.title}`,
      run: () => assertEqual(core.formatTraceparent(row.context), row.expect),
    })),
  ];
}

function tracestateCases({ core }: Library): Case[] {
  const { duplicates } = vectors.tracestate;
  return [
    ...vectors.tracestate.parse.map((row) => ({
      title: `tracestate, read: ${row.title}`,
      run: () => {
        const members = core.parseTracestate(vectors.text(row.header));
        if (row.count !== undefined) return assertEqual(members?.length, row.count);
        const expected = row.expect?.map(([key, value]) => ({ key: vectors.text(key), value: vectors.text(value) }));
        assertEqual(members ?? null, expected ?? null);
      },
    })),
    {
      title: `tracestate, read: ${duplicates.title}`,
      run: () => assertEqual(core.createTraceState(duplicates.header).get(duplicates.key), duplicates.value),
    },
    ...vectors.tracestate.set.map((row) => ({
      title: `tracestate, set: ${row.title}`,
      run: () => {
        const before = core.createTraceState(row.header);
        const after = row.set.reduce((state, [key, value]) => state.set(key, value), before);
        assertEqual(after.serialize(), row.expect);
        assertEqual(before.serialize(), row.header);
      },
    })),
    ...vectors.tracestate.unset.map((row) => ({
      title: `tracestate, unset: ${row.title}`,
      run: () => assertEqual(core.createTraceState(row.header).unset(row.unset).serialize(), row.expect),
    })),
  ];
}

function baggageCases({ core }: Library): Case[] {
  return [
    ...vectors.baggage.parse.map((row) => ({
      title: `baggage, read: ${row.title}`,
      run: () => {
        const expected = row.expect.map((member) => ({ ...member, value: vectors.text(member.value) }));
        assertEqual(core.parseBaggage(vectors.text(row.header)), expected);
      },
    })),
    ...vectors.baggage.format.map((row) => ({
      title: `baggage, written: ${row.title}`,
      run: () => {
        const members = row.members.map((member) => ({ ...member, value: vectors.text(member.value) }));
        assertEqual(core.formatBaggage(members), row.expect);
      },
    })),
    {
      // Not a row of the file: JSON readers need not take half a surrogate pair.
      title: "baggage, written: half a surrogate pair does not throw",
      run: () => {
        const members = [
          { key: "a", value: "x\ud800y" },
          { key: "b", value: "1" },
        ];
        assertEqual(core.formatBaggage(members), "a=x%EF%BF%BDy,b=1");
      },
    },
    ...vectors.baggage.roundTrip.map((value) => ({
      title: `baggage, written and read: ${JSON.stringify(value)}`,
      run: () => {
        const header = core.formatBaggage([{ key: "k", value, properties: [{ key: "p", value }] }]);
        assert(/^[\x21-\x7e]*$/.test(header), `not a header of printable ASCII: ${header}`);
        assertEqual(core.parseBaggage(header), [{ key: "k", value, properties: [{ key: "p", value }] }]);
      },
    })),
  ];
}

function runIdCases({ core }: Library): Case[] {
  return [
    ...vectors.runIds.map((row) => ({
      title: `run id, read: ${row.title}`,
      run: () => assertEqual(core.parseRunId(row.text) ?? null, row.expect),
    })),
    {
      title: "run id: the time is in its first 48 bits, and it is a version 7 of RFC 9562",
      run: () => {
        const id = core.createRunId(1_795_415_461_674);
        assertEqual(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16), 1_795_415_461_674);
        assert(
          /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id),
          `not a version 7: ${id}`,
        );
        assertEqual(core.parseRunId(id), id);
      },
    },
    {
      title: "ids: ten thousand of each are different and well-formed",
      run: () => {
        for (const [create, form] of [
          [() => core.createRunId(), /^[0-9a-f-]{36}$/],
          [core.createTraceId, /^(?!0{32})[0-9a-f]{32}$/],
          [core.createSpanId, /^(?!0{16})[0-9a-f]{16}$/],
        ] as const) {
          const ids = new Set(Array.from({ length: 10_000 }, create));
          assertEqual(ids.size, 10_000);
          for (const id of ids) assert(form.test(id), `ill-formed: ${id}`);
        }
      },
    },
  ];
}
