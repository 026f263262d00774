import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { describe, expect, it } from "vitest";

import { decodeJson } from "./otlp-json.ts";
import { decodeProtobuf } from "./otlp-protobuf.ts";
import { type DecodedSpans, MalformedBody, OversizedBody, type SpanRow } from "./span-row.ts";
import { RUN, otlpJson, spanId, traceId } from "./span.fixture.ts";
import { encodeRequest } from "./trace-proto.fixture.ts";

type Wire = Record<string, unknown>;

const TIME = 1_795_415_552_441_554_201n;

function wireSpan(changes: Wire = {}): Wire {
  return {
    traceId: traceId(1),
    spanId: spanId(2),
    parentSpanId: spanId(1),
    name: "GET /work",
    kind: 2,
    startTimeUnixNano: String(TIME),
    endTimeUnixNano: String(TIME + 1_500_001n),
    ...changes,
  };
}

function request(...spans: readonly Wire[]): { resourceSpans: Wire[] } {
  const service = { key: "service.name", value: { stringValue: "orders" } };
  return { resourceSpans: [{ resource: { attributes: [service] }, scopeSpans: [{ scope: { name: "lib" }, spans }] }] };
}

function json(body: unknown): DecodedSpans {
  return decodeJson(Buffer.from(JSON.stringify(body)));
}

/** Reads the same request in both encodings, and gives the rows only if they are the same. */
function both(body: object): DecodedSpans {
  const fromJson = json(body);
  expect(decodeProtobuf(encodeRequest(body))).toEqual(fromJson);
  return fromJson;
}

function only({ rows, reason }: DecodedSpans): SpanRow {
  const [row] = rows;
  if (row === undefined || rows.length !== 1) throw new Error(`${rows.length} rows: ${reason}`);
  return row;
}

function attribute(value: unknown, key = "k"): Wire {
  return { attributes: [{ key, value }] };
}

function nested(levels: number): unknown {
  let value: unknown = { stringValue: "x" };
  for (let level = 0; level < levels; level += 1) value = { arrayValue: { values: [value] } };
  return value;
}

describe("one span in both encodings", () => {
  it("is the same row", () => {
    const body = request(
      wireSpan({
        traceState: "botanu=x,other=1",
        flags: 0x301,
        status: { code: 2, message: "no" },
        attributes: [
          { key: "botanu.run_id", value: { stringValue: RUN.toUpperCase() } },
          { key: "botanu.workflow", value: { stringValue: "order" } },
          { key: "botanu.customer_id", value: { stringValue: "acme" } },
          { key: "botanu.attempt", value: { intValue: "2" } },
        ],
        events: [
          {
            timeUnixNano: "7",
            name: "botanu.run.completed",
            attributes: [{ key: "status", value: { stringValue: "success" } }],
          },
        ],
        links: [
          { traceId: traceId(9), spanId: spanId(8), flags: 1, attributes: [{ key: "a", value: { boolValue: true } }] },
        ],
      }),
    );
    expect(only(both(body))).toEqual({
      traceId: traceId(1),
      spanId: spanId(2),
      parentSpanId: spanId(1),
      traceState: "botanu=x,other=1",
      flags: 0x301,
      name: "GET /work",
      kind: 2,
      startNs: TIME,
      endNs: TIME + 1_500_001n,
      statusCode: 2,
      statusMessage: "no",
      attributes: `{"botanu.run_id":"${RUN.toUpperCase()}","botanu.workflow":"order","botanu.customer_id":"acme","botanu.attempt":2}`,
      events: '[{"name":"botanu.run.completed","timeUnixNano":"7","attributes":{"status":"success"}}]',
      links: `[{"traceId":"${traceId(9)}","spanId":"${spanId(8)}","flags":1,"attributes":{"a":true}}]`,
      scope: "lib",
      run: { runId: RUN, workflow: "order", customerId: "acme", attempt: 2, outcome: "success" },
      resource: { service: "orders", attributes: '{"service.name":"orders"}' },
    });
  });

  it.each([
    ["text", { stringValue: "ä 😀 \u0000 \"'" }, JSON.stringify("ä 😀 \u0000 \"'")],
    ["long text", { stringValue: "x".repeat(5000) }, JSON.stringify("x".repeat(5000))],
    ["empty text", { stringValue: "" }, '""'],
    ["true", { boolValue: true }, "true"],
    ["false", { boolValue: false }, "false"],
    ["zero", { intValue: "0" }, "0"],
    ["integer", { intValue: "-42" }, "-42"],
    ["largest exact integer", { intValue: "9007199254740991" }, "9007199254740991"],
    ["integer past 2^53", { intValue: "9007199254740993" }, '"9007199254740993"'],
    ["least integer", { intValue: "-9223372036854775808" }, '"-9223372036854775808"'],
    ["double", { doubleValue: 1.5 }, "1.5"],
    ["small double", { doubleValue: 5e-324 }, "5e-324"],
    ["bytes", { bytesValue: "AAEC/w==" }, '"AAEC/w=="'],
    ["list", { arrayValue: { values: [{ intValue: "1" }, { stringValue: "b" }, {}] } }, '[1,"b",null]'],
    ["empty list", { arrayValue: {} }, "[]"],
    ["map", { kvlistValue: { values: [{ key: "a", value: { intValue: "1" } }, { key: "b" }] } }, '{"a":1,"b":null}'],
    ["no value", {}, "null"],
    ["32 levels", nested(32), `${"[".repeat(32)}"x"${"]".repeat(32)}`],
  ])("reads a value: %s", (_title, value, text) => {
    expect(only(both(request(wireSpan(attribute(value))))).attributes).toBe(`{"k":${text}}`);
  });

  it.each([
    ["NaN", Number.NaN],
    ["Infinity", Number.POSITIVE_INFINITY],
    ["-Infinity", Number.NEGATIVE_INFINITY],
  ])("writes %s as a string, since JSON has no number for it", (text, value) => {
    const protobuf = decodeProtobuf(encodeRequest(request(wireSpan(attribute({ doubleValue: value })))));
    expect(json(request(wireSpan(attribute({ doubleValue: text }))))).toEqual(protobuf);
    expect(only(protobuf).attributes).toBe(`{"k":"${text}"}`);
  });

  it.each([
    ["a zero trace id", { traceId: "0".repeat(32) }, "a trace id is zero"],
    ["a short trace id", { traceId: "ab12" }, "a trace id is not 32 hex digits"],
    ["no span id", { spanId: "" }, "a span id is not 16 hex digits"],
    ["a long parent id", { parentSpanId: "c".repeat(18) }, "a parent span id is not 16 hex digits"],
    ["no start", { startTimeUnixNano: "0" }, "a span has no start time"],
    ["a time past the range", { endTimeUnixNano: String(1n << 63n) }, "a time is out of range"],
    ["33 levels", attribute(nested(33)), "an attribute is nested deeper than 32 levels"],
    [
      "a megabyte of text",
      attribute({ stringValue: "x".repeat(1 << 20) }),
      "a span holds more than 1048576 characters",
    ],
  ])("leaves out a span with %s, and keeps the others", (_title, changes, reason) => {
    const decoded = both(request(wireSpan(changes), wireSpan({ spanId: spanId(3) })));
    expect(decoded.rejected).toBe(1);
    expect(decoded.reason).toContain(reason);
    expect(only(decoded).spanId).toBe(spanId(3));
  });

  it("reads an unknown kind and status as unspecified", () => {
    expect(only(both(request(wireSpan({ kind: 77, status: { code: -3 } }))))).toMatchObject({ kind: 0, statusCode: 0 });
  });

  it("takes a parent of zeros for none, and a missing end for the start", () => {
    const row = only(both(request(wireSpan({ parentSpanId: "0".repeat(16), endTimeUnixNano: "0" }))));
    expect(row).toMatchObject({ parentSpanId: "", endNs: TIME });
  });

  it("does not take for a run id what is none", () => {
    const row = only(both(request(wireSpan(attribute({ stringValue: "not-a-uuid" }, "botanu.run_id")))));
    expect(row.run).toEqual({});
  });

  it("names a service that has no name", () => {
    const [group] = request(wireSpan()).resourceSpans;
    expect(only(both({ resourceSpans: [{ scopeSpans: group?.["scopeSpans"] }] })).resource).toEqual({
      service: "unknown_service",
      attributes: "{}",
    });
  });

  it("refuses more spans than it takes at once", () => {
    const body = request(...Array.from({ length: 4 }, (_, index) => wireSpan({ spanId: spanId(index + 1) })));
    const limits = { maxSpans: 3, maxSpanText: 1000 };
    expect(() => decodeJson(Buffer.from(JSON.stringify(body)), limits)).toThrow(OversizedBody);
    expect(() => decodeProtobuf(encodeRequest(body), limits)).toThrow(OversizedBody);
  });
});

describe("OTLP JSON", () => {
  it.each([
    ["kind by name", { kind: "SPAN_KIND_SERVER" }],
    ["times as numbers", { startTimeUnixNano: Number(TIME), endTimeUnixNano: Number(TIME) }],
    ["upper-case ids", { traceId: traceId(1).toUpperCase(), spanId: spanId(2).toUpperCase() }],
    ["unknown keys", { somethingNew: { deep: [[{}]] }, droppedAttributesCount: 3 }],
    ["nulls", { attributes: null, events: null, links: null, status: null, traceState: null }],
    ["flags as text", { flags: "769" }],
  ])("takes %s", (_title, changes) => {
    expect(only(json(request(wireSpan(changes))))).toMatchObject({ traceId: traceId(1), spanId: spanId(2), kind: 2 });
  });

  it("takes integers as numbers and doubles as text", () => {
    const attributes = [
      { key: "a", value: { intValue: 7 } },
      { key: "b", value: { doubleValue: "1.25" } },
    ];
    expect(only(json(request(wireSpan({ attributes })))).attributes).toBe('{"a":7,"b":1.25}');
  });

  it("keeps keys that mean something to JavaScript", () => {
    const row = only(json(request(wireSpan(attribute({ stringValue: "x" }, "__proto__")))));
    expect(row.attributes).toBe('{"__proto__":"x"}');
  });

  it.each([
    ["base64 ids", { traceId: Buffer.alloc(16, 1).toString("base64") }, "a trace id is not 32 hex digits"],
    ["an id that is a number", { spanId: 5 }, "spanId is not a string"],
    ["a name that is a list", { name: [] }, "name is not a string"],
    ["attributes that are a map", { attributes: { a: 1 } }, "attributes is not a list"],
    ["an attribute that is a text", { attributes: ["a"] }, "an attribute is not an object"],
    ["a value that is no object", attribute("x"), "an attribute value is not an object"],
    ["an integer that is none", attribute({ intValue: "1.5" }), "an intValue is not an integer"],
    ["an integer past 64 bits", attribute({ intValue: "9223372036854775808" }), "an intValue is not an integer"],
    ["a boolean that is a text", attribute({ boolValue: "yes" }), "a boolValue is neither true nor false"],
    ["a double that is none", attribute({ doubleValue: "much" }), "a doubleValue is not a number"],
    ["bytes that are not base64", attribute({ bytesValue: "%%" }), "a bytesValue is not base64"],
    ["a negative time", { startTimeUnixNano: -1 }, "startTimeUnixNano is not a time"],
    ["a time in words", { startTimeUnixNano: "now" }, "startTimeUnixNano is not a time"],
    ["flags past 32 bits", { flags: 2 ** 32 }, "flags are not 32 bits"],
    ["an event that is null", { events: [null] }, "an event is not an object"],
  ])("leaves out a span with %s", (_title, changes, reason) => {
    const decoded = json(request(wireSpan(changes), wireSpan({ spanId: spanId(3) })));
    expect(decoded.rows.map((row) => row.spanId)).toEqual([spanId(3)]);
    expect(decoded.reason).toContain(reason);
  });

  it.each([
    ["nothing", ""],
    ["half of it", '{"resourceSpans":['],
    ["a list", "[]"],
    ["null", "null"],
    ["snake_case", '{"resource_spans":[]}'],
    ["a list that is none", '{"resourceSpans":{}}'],
    ["a group that is none", '{"resourceSpans":[1]}'],
    ["scope spans that are none", '{"resourceSpans":[{"scopeSpans":[[]]}]}'],
    ["a resource that is none", '{"resourceSpans":[{"resource":[]}]}'],
    ["a broken resource", '{"resourceSpans":[{"resource":{"attributes":[{"key":1}]}}]}'],
    ["bytes that are no text", "\u00ff\u00fe"],
  ])("refuses a body that is %s", (_title, body) => {
    expect(() => decodeJson(Buffer.from(body, "latin1"))).toThrow(MalformedBody);
  });

  it("takes a body without spans", () => {
    expect(json({})).toEqual({ rows: [], rejected: 0, reason: "" });
  });
});

describe("OTLP protobuf", () => {
  const body = encodeRequest(request(wireSpan(attribute({ stringValue: "value" }))));
  const span = Buffer.from(body);

  it("skips fields that it does not know", () => {
    const unknown = {
      unknownTexts: ["a", "b"],
      unknownFixed: 5,
      unknownNumber: "18446744073709551615",
      unknownShort: 7,
    };
    expect(only(decodeProtobuf(encodeRequest(request(wireSpan(unknown)))))).toMatchObject({ spanId: spanId(2) });
  });

  it("finds the resource behind the spans", () => {
    const [group] = request(wireSpan()).resourceSpans;
    const resource = encodeRequest({ resourceSpans: [{ resource: group?.["resource"] }] });
    const scopes = encodeRequest({ resourceSpans: [{ scopeSpans: group?.["scopeSpans"] }] });
    // Both hold one field 1; their contents one after the other are one message with the resource last.
    const content = Buffer.concat([scopes.subarray(lengthAt(scopes)), resource.subarray(lengthAt(resource))]);
    const reordered = Buffer.concat([Buffer.from([0x0a, ...varint(content.length)]), content]);
    expect(only(decodeProtobuf(reordered)).resource.service).toBe("orders");
  });

  it("refuses every truncation in the middle, at once", () => {
    for (let length = 1; length < body.length; length += 1) {
      expect(() => decodeProtobuf(body.subarray(0, length)), `${length} bytes`).toThrow(MalformedBody);
    }
  });

  it.each([
    ["a negative length", [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["a length of 4 GiB", [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ["a length past the end", [0x0a, 0x05, 0x00]],
    ["field number 0", [0x02, 0x00]],
    ["a group", [0x0b, 0x0c]],
    ["wire type 7", [0x0f]],
    ["a number of eleven bytes", [0x10, ...Array.from({ length: 11 }, () => 0x80), 0]],
    ["text", [...Buffer.from("hello there")]],
  ])("refuses %s", (_title, bytes) => {
    expect(() => decodeProtobuf(Buffer.from(bytes))).toThrow(MalformedBody);
  });

  it("does not mind where in its memory a body lies", () => {
    const padded = Buffer.concat([Buffer.alloc(3, 0xff), span, Buffer.alloc(3, 0xff)]);
    expect(decodeProtobuf(padded.subarray(3, 3 + span.length))).toEqual(decodeProtobuf(span));
  });
});

function lengthAt(message: Buffer): number {
  return (message[1] ?? 0) < 0x80 ? 2 : 3;
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7];
}

describe("what the OpenTelemetry SDK sends", () => {
  type SdkSpans = Parameters<typeof JsonTraceSerializer.serializeRequest>[0];
  const context = { traceId: traceId(1), spanId: spanId(2), traceFlags: 1 };
  const sdkSpan = {
    name: "POST",
    kind: 2,
    spanContext: () => context,
    parentSpanContext: { ...context, spanId: spanId(1), isRemote: true },
    startTime: [1_795_415_552, 441_554_201],
    endTime: [1_795_415_552, 641_554_201],
    status: { code: 2, message: "failed" },
    attributes: { "botanu.run_id": RUN, n: 5, f: 1.5, b: true, list: ["a", "b"], big: 2 ** 60 },
    links: [{ context: { ...context, traceId: traceId(7) }, attributes: { why: "retry" } }],
    events: [{ name: "exception", time: [1_795_415_552, 5], attributes: { "exception.type": "E" } }],
    duration: [0, 200_000_000],
    ended: true,
    resource: { attributes: { "service.name": "sdk" }, asyncAttributesPending: false },
    instrumentationScope: { name: "scope", version: "1" },
    droppedAttributesCount: 1,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
  const sdkSpans = [sdkSpan] as unknown as SdkSpans;

  it("is read to the same rows from both of its serialisers", () => {
    const asJson = JsonTraceSerializer.serializeRequest(sdkSpans);
    const asProtobuf = ProtobufTraceSerializer.serializeRequest(sdkSpans);
    if (asJson === undefined || asProtobuf === undefined) throw new Error("nothing serialised");
    const decoded = decodeProtobuf(asProtobuf);
    expect(decodeJson(asJson)).toEqual(decoded);
    expect(only(decoded)).toMatchObject({
      traceId: traceId(1),
      parentSpanId: spanId(1),
      kind: 3,
      startNs: 1_795_415_552_441_554_201n,
      statusCode: 2,
      scope: "scope",
      run: { runId: RUN },
      resource: { service: "sdk" },
    });
    expect(JSON.parse(only(decoded).attributes)).toMatchObject({ n: 5, f: 1.5, b: true, list: ["a", "b"] });
  });
});

describe("hostile bodies", () => {
  /** A small generator with a seed, so that a failure can be run again. */
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
  }

  function mutate(body: Buffer, next: () => number): Buffer {
    const copy = Buffer.from(body);
    for (let count = 1 + Math.floor(next() * 6); count > 0; count -= 1) {
      copy[Math.floor(next() * copy.length)] = Math.floor(next() * 256);
    }
    if (next() < 0.3) return copy.subarray(0, Math.floor(next() * copy.length));
    if (next() < 0.2) return Buffer.concat([copy, copy.subarray(Math.floor(next() * copy.length))]);
    return copy;
  }

  const rich = otlpJson(
    {
      id: 1,
      run: RUN,
      kind: "server",
      attributes: { a: 1, b: "x", c: [1, [2, ["y"]]], d: 1.5 },
      links: [{ trace: 2, id: 9 }],
    },
    {
      id: 2,
      parent: 1,
      failed: true,
      events: [{ name: "e", timeUnixNano: "1", attributes: { k: "v" } }],
      traceState: "botanu=1",
    },
  );

  it.each([
    ["JSON", Buffer.from(JSON.stringify(rich)), decodeJson],
    ["protobuf", encodeRequest(rich), decodeProtobuf],
  ])("5,000 mutations of %s are read or refused, never anything else", { timeout: 30_000 }, (_title, body, decode) => {
    const next = random(20_260_102);
    let refused = 0;
    let slowest = 0;
    for (let round = 0; round < 5000; round += 1) {
      const mutated = mutate(body, next);
      const started = performance.now();
      try {
        for (const row of decode(mutated).rows) expect(() => JSON.parse(row.attributes)).not.toThrow();
      } catch (error) {
        if (!(error instanceof MalformedBody)) throw error;
        refused += 1;
      }
      slowest = Math.max(slowest, performance.now() - started);
    }
    expect(refused).toBeGreaterThan(500);
    expect(refused).toBeLessThan(5000);
    expect(slowest).toBeLessThan(1000);
  });

  it("reads a body of a hundred thousand levels without a stack of that depth", () => {
    const levels = 100_000;
    const deep = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"x":${"[".repeat(levels)}${"]".repeat(levels)}}]}]}]}`;
    expect(decodeJson(Buffer.from(deep)).rejected).toBe(1);
    let value: Buffer = Buffer.from([0x0a, 0x00]);
    for (let level = 0; level < 5000; level += 1) value = lengthDelimited(0x2a, lengthDelimited(0x0a, value));
    const attributes = lengthDelimited(0x4a, lengthDelimited(0x12, value));
    const body = [0x12, 0x12, 0x0a].reduce((inner, tag) => lengthDelimited(tag, inner), attributes);
    expect(decodeProtobuf(body).reason).toContain("nested deeper than 32");
  });
});

function lengthDelimited(tag: number, content: Buffer): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 0x7f; rest >>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([tag, ...length, rest]), content]);
}

describe("a body that would take all memory", () => {
  it.each([
    ["objects", `{"x":[${"{},".repeat(1_200_000)}{}]}`],
    ["lists", `{"x":[${"[],".repeat(1_200_000)}[]]}`],
  ])("of small %s is refused before it is parsed", (_title, body) => {
    expect(() => decodeJson(Buffer.from(body))).toThrow(OversizedBody);
  });

  it("is not one that holds as many brackets as text", () => {
    const quoted = JSON.stringify({ x: '{[\\"{['.repeat(600_000), resourceSpans: [] });
    expect(decodeJson(Buffer.from(quoted))).toEqual({ rows: [], rejected: 0, reason: "" });
  });
});
