import { ROOT_CONTEXT, type Span, trace } from "@opentelemetry/api";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { jsonSerializer } from "./json.ts";
import { protobufSerializer } from "./protobuf.ts";
import type { ReadableSpan } from "./span.ts";
import { TRACE_PROTO } from "./trace-descriptor.fixture.ts";

const Request = protobuf.parse(TRACE_PROTO, { keepCase: false }).root.lookupType("Request");

function decode(bytes: Uint8Array): unknown {
  return Request.toObject(Request.decode(bytes), { longs: String, bytes: String, defaults: false });
}

function parse(bytes: Uint8Array): { resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[] } {
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** The same numbers every time, so that a failure can be seen again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const TEXTS = [
  "",
  "plain",
  'quote " and \\ backslash',
  "line\nbreak\u0000nul",
  "ünïcödé",
  "日本語",
  "😀 emoji",
  "\u2028",
  "x".repeat(300),
];
const VALUES: unknown[] = [
  ...TEXTS,
  0,
  1,
  -1,
  127,
  128,
  2 ** 31,
  -(2 ** 31),
  2 ** 53 - 1,
  0.5,
  -1.25e-7,
  true,
  false,
  [],
  ["a", "b"],
  [1, 2.5],
  [true],
];

function randomSpans(count: number, random: () => number): ReadableSpan[] {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "s", n: 1 }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let parent: Span | undefined;
  for (let index = 0; index < count; index++) {
    const tracer = provider.getTracer(pick(["a", "b"]), pick(["1", undefined]) as string | undefined);
    const context = parent && random() > 0.4 ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    const span = tracer.startSpan(
      pick(TEXTS) || "name",
      { kind: index % 5, startTime: [1_700_000_000 + index, index * 7] },
      context,
    );
    for (let key = 0; key < 8; key++) span.setAttribute(`k${key}${pick(["", "ü"])}`, pick(VALUES) as string);
    if (random() > 0.5) span.addEvent(pick(TEXTS), { e: pick(VALUES) as string }, [1_700_000_000, 999_999_999]);
    if (parent && random() > 0.5) span.addLink({ context: parent.spanContext(), attributes: { l: 1 } });
    if (random() > 0.7) span.setStatus({ code: 2, message: pick(TEXTS) });
    span.end([1_700_000_001 + index, 5]);
    parent = span;
  }
  return exporter.getFinishedSpans();
}

describe("spans of the SDK", () => {
  it.each([1, 2, 3, 4, 5])("are the same protobuf message as the SDK's own (seed %i)", (seed) => {
    const spans = randomSpans(60, seeded(seed));
    const ours = decode(protobufSerializer.serialize(spans, new Set()));
    expect(ours).toEqual(decode(ProtobufTraceSerializer.serializeRequest(spans as never) as Uint8Array));
  });

  it.each([1, 2, 3, 4, 5])("are the same JSON as protobuf (seed %i)", (seed) => {
    const spans = randomSpans(60, seeded(seed));
    const json = parse(jsonSerializer.serialize(spans, new Set()));
    const theirs = parse(JsonTraceSerializer.serializeRequest(spans as never) as Uint8Array);
    const flat = (request: typeof json) =>
      request.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    expect(flat(json).map((span) => span.spanId)).toEqual(flat(theirs).map((span) => span.spanId));
    // An empty message is proto3's default: left out and written are the same.
    const told = ({ name, startTimeUnixNano, endTimeUnixNano, kind, status }: Record<string, unknown>) => {
      const { code, message } = status as { code: number; message?: string };
      return [name, startTimeUnixNano, endTimeUnixNano, kind, code, message || undefined];
    };
    expect(flat(json).map(told)).toEqual(flat(theirs).map(told));
  });
});

function handMade(attributes: Record<string, unknown>, overrides: Partial<ReadableSpan> = {}): ReadableSpan {
  return {
    name: "n",
    kind: 0,
    spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 }),
    startTime: [1, 2],
    endTime: [1, 3],
    status: { code: 0 },
    attributes,
    links: [],
    events: [],
    resource: { attributes: {} },
    instrumentationScope: { name: "i" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    ...overrides,
  };
}

describe.each([
  ["JSON", jsonSerializer],
  ["protobuf", protobufSerializer],
])("%s", (name, serializer) => {
  const values = (attributes: Record<string, unknown>): unknown => {
    const bytes = serializer.serialize([handMade(attributes)], new Set());
    const request = (name === "JSON" ? parse(bytes) : decode(bytes)) as ReturnType<typeof parse>;
    const span = request.resourceSpans[0]?.scopeSpans[0]?.spans[0] as { attributes: { key: string; value: unknown }[] };
    return span.attributes.map(({ value }) => value ?? {});
  };

  it("writes explicit defaults, since an unset value is another one", () => {
    expect(values({ a: "", b: false, c: 0 })).toEqual([{ stringValue: "" }, { boolValue: false }, { intValue: "0" }]);
  });

  it("keeps integers apart from doubles, and 64-bit ones whole", () => {
    expect(values({ a: 1, b: 1.5, c: -(2n ** 63n), d: 2n ** 63n - 1n })).toEqual([
      { intValue: "1" },
      { doubleValue: 1.5 },
      { intValue: "-9223372036854775808" },
      { intValue: "9223372036854775807" },
    ]);
  });

  it("writes numbers that are none", () => {
    const expected = name === "JSON" ? ["NaN", "Infinity", "-Infinity"] : [Number.NaN, Infinity, -Infinity];
    expect(values({ a: Number.NaN, b: Infinity, c: -Infinity })).toEqual(
      expected.map((doubleValue) => ({ doubleValue })),
    );
  });

  it("writes maps, lists in lists, bytes and the empty value", () => {
    expect(values({ a: { b: [1, ["x"]] }, c: new Uint8Array([1, 255]), d: undefined })).toEqual([
      {
        kvlistValue: {
          values: [
            {
              key: "b",
              value: {
                arrayValue: { values: [{ intValue: "1" }, { arrayValue: { values: [{ stringValue: "x" }] } }] },
              },
            },
          ],
        },
      },
      { bytesValue: "Af8=" },
      {},
    ]);
  });

  it("makes a lone surrogate U+FFFD", () => {
    expect(values({ a: "x\ud800y" })).toEqual([{ stringValue: "x\ufffdy" }]);
  });

  it.each([
    [
      "an id of another form",
      handMade({}, { spanContext: () => ({ traceId: "zz", spanId: "b7ad6b7169203331", traceFlags: 1 }) }),
    ],
    ["a time that is none", handMade({}, { startTime: [Number.NaN, 0] })],
    [
      "an attribute without end",
      handMade({
        a: (() => {
          const a: unknown[] = [];
          a.push(a);
          return a;
        })(),
      }),
    ],
    [
      "an attribute that throws",
      handMade({
        get a(): string {
          throw new Error("no");
        },
      }),
    ],
  ])("leaves out one span with %s and keeps the others", (_title, bad) => {
    const left = new Set<ReadableSpan>();
    const good = handMade({ ok: 1 });
    const bytes = serializer.serialize([good, bad, good], left);
    const request = (name === "JSON" ? parse(bytes) : decode(bytes)) as ReturnType<typeof parse>;
    expect(
      request.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans ?? [])),
    ).toHaveLength(2);
    expect([...left]).toEqual([bad]);
  });
});

describe("replies", () => {
  it("are read from protobuf", () => {
    const message = new TextEncoder().encode("quota");
    const partial = [8, 3, 18, message.length, ...message];
    expect(protobufSerializer.parseReply(Uint8Array.from([10, partial.length, ...partial]))).toEqual({
      rejectedSpans: 3,
      message: "quota",
    });
  });

  it("are read from JSON", () => {
    const body = new TextEncoder().encode('{"partialSuccess":{"rejectedSpans":"3","errorMessage":"quota"}}');
    expect(jsonSerializer.parseReply(body)).toEqual({ rejectedSpans: 3, message: "quota" });
  });

  it("that are cut off throw", () => {
    expect(() => protobufSerializer.parseReply(Uint8Array.from([10, 200]))).toThrow();
    expect(() => jsonSerializer.parseReply(new TextEncoder().encode("{"))).toThrow();
  });
});
