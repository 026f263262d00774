// The protobuf encoding of a trace request. Written from the end of the buffer to its start: when the length of a message has to be
// written its bytes stand already, so nothing is measured first and nothing is moved.

import { BackwardWriter } from "./backward-writer.ts";
import { parseReply } from "./protobuf-reply.ts";
import type { Serializer } from "./serializer.ts";
import type {
  Attributes,
  HrTime,
  InstrumentationScope,
  Link,
  ReadableSpan,
  Resource,
  SpanContext,
  SpanStatus,
  TimedEvent,
} from "./span.ts";

/** Protobuf parsers give up at 100 nested messages; a nested map takes three. */
const MAX_DEPTH = 30;

/** Values in one set of attributes: objects that hold each other unfold without end long before they are too deep. */
const MAX_VALUES = 1e5;

const FIRST_BYTES = 16_384;
const BYTES_PER_SPAN = 512;
const HEX = /^[\da-f]+$/i;
const REMOTE_KNOWN = 256;
const REMOTE = 512;

const resources = /* @__PURE__ */ new WeakMap<Resource, Uint8Array>();
const scopes = /* @__PURE__ */ new WeakMap<InstrumentationScope, Uint8Array>();

function writeText(out: BackwardWriter, field: number, value: string): void {
  const mark = out.mark;
  out.text(value);
  out.delimit(field, mark);
}

function writeOptionalText(out: BackwardWriter, field: number, value: string | undefined): void {
  if (value) writeText(out, field, value);
}

function writeCount(out: BackwardWriter, field: number, count: number | undefined): void {
  const value = (count ?? 0) >>> 0;
  if (value === 0) return;
  out.varint(value);
  out.tag(field, 0);
}

/** Throws for ids that would make the receiver refuse the whole request. */
function writeId(out: BackwardWriter, field: number, id: string, size: number): void {
  if (id.length !== size || !HEX.test(id)) throw new RangeError();
  out.hex(id);
  out.varint(size / 2);
  out.tag(field, 2);
}

/** Nanoseconds since the epoch as two 32-bit halves, without a big integer: no part reaches 2^53. */
function writeTime(out: BackwardWriter, field: number, time: HrTime): void {
  const seconds = Math.trunc(time[0]);
  const rest = Math.trunc(time[1]);
  if (!(seconds >= 0 && rest >= 0 && seconds < 1.8e10 && rest < 1e15)) throw new RangeError();
  const lowSeconds = seconds % 65536;
  const high = ((seconds - lowSeconds) / 65536) * 1e9;
  const low = lowSeconds * 1e9 + rest + (high % 65536) * 65536;
  // Little-endian: the low half stands first, so it is written last.
  out.fixed32(Math.floor(low / 4294967296) + Math.floor(high / 65536));
  out.fixed32(low % 4294967296);
  out.tag(field, 1);
}

let values = 0;

function writeAnyValue(out: BackwardWriter, value: unknown, depth: number): void {
  if (++values > MAX_VALUES || depth > MAX_DEPTH) throw new RangeError();
  switch (typeof value) {
    case "string":
      return writeText(out, 1, value);
    case "boolean":
      out.varint(value ? 1 : 0);
      return out.tag(2, 0);
    case "number":
    case "bigint":
      return writeNumber(out, value);
    case "object":
      if (value) writeObject(out, value, depth + 1);
      return;
    default:
  }
}

function writeObject(out: BackwardWriter, value: object, depth: number): void {
  const mark = out.mark;
  if (Array.isArray(value)) {
    for (let index = value.length - 1; index >= 0; index--) {
      const start = out.mark;
      writeAnyValue(out, value[index], depth);
      out.delimit(1, start);
    }
    out.delimit(5, mark);
  } else if (ArrayBuffer.isView(value)) {
    out.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    out.delimit(7, mark);
  } else {
    writeAttributes(out, 1, value as Attributes, depth);
    out.delimit(6, mark);
  }
}

function writeNumber(out: BackwardWriter, value: number | bigint): void {
  const integer = typeof value === "bigint" || Number.isInteger(value);
  if (integer && value >= -(2 ** 63) && value < 2 ** 63) {
    out.int64(value);
    out.tag(3, 0);
  } else if (typeof value === "bigint") {
    writeText(out, 1, `${value}`);
  } else {
    out.double(value);
    out.tag(4, 1);
  }
}

function writeAttributes(out: BackwardWriter, field: number, attributes: Attributes | undefined, depth = 0): void {
  if (!attributes) return;
  if (depth === 0) values = 0;
  const keys = Object.keys(attributes);
  for (let index = keys.length - 1; index >= 0; index--) {
    const key = keys[index] as string;
    const mark = out.mark;
    writeAnyValue(out, attributes[key], depth);
    out.delimit(2, mark);
    writeText(out, 1, key);
    out.delimit(field, mark);
  }
}

function flagsOf({ traceFlags }: SpanContext, isRemote: boolean | undefined): number {
  return (traceFlags & 255) | REMOTE_KNOWN | (isRemote ? REMOTE : 0);
}

function writeFlags(out: BackwardWriter, field: number, flags: number): void {
  out.fixed32(flags);
  out.tag(field, 5);
}

function writeEvent(out: BackwardWriter, event: TimedEvent): void {
  const mark = out.mark;
  writeCount(out, 4, event.droppedAttributesCount);
  writeAttributes(out, 3, event.attributes);
  writeText(out, 2, event.name);
  writeTime(out, 1, event.time);
  out.delimit(11, mark);
}

function writeLink(out: BackwardWriter, link: Link): void {
  const mark = out.mark;
  const { context } = link;
  writeFlags(out, 6, flagsOf(context, context.isRemote));
  writeCount(out, 5, link.droppedAttributesCount);
  writeAttributes(out, 4, link.attributes);
  writeOptionalText(out, 3, context.traceState?.serialize());
  writeId(out, 2, context.spanId, 16);
  writeId(out, 1, context.traceId, 32);
  out.delimit(13, mark);
}

function writeStatus(out: BackwardWriter, { code, message }: SpanStatus): void {
  const mark = out.mark;
  out.varint(code & 3);
  out.tag(3, 0);
  writeOptionalText(out, 2, message);
  out.delimit(15, mark);
}

/** Fields in descending order, since what is written last stands first. */
function writeSpan(out: BackwardWriter, span: ReadableSpan): void {
  const mark = out.mark;
  const context = span.spanContext();
  const parent = span.parentSpanContext;
  const { links, events } = span;
  writeFlags(out, 16, flagsOf(context, parent?.isRemote));
  writeStatus(out, span.status);
  writeCount(out, 14, span.droppedLinksCount);
  for (let index = links.length - 1; index >= 0; index--) writeLink(out, links[index] as Link);
  writeCount(out, 12, span.droppedEventsCount);
  for (let index = events.length - 1; index >= 0; index--) writeEvent(out, events[index] as TimedEvent);
  writeCount(out, 10, span.droppedAttributesCount);
  writeAttributes(out, 9, span.attributes);
  writeTime(out, 8, span.endTime);
  writeTime(out, 7, span.startTime);
  out.varint((span.kind + 1) & 7);
  out.tag(6, 0);
  writeText(out, 5, span.name);
  if (parent?.spanId) writeId(out, 4, parent.spanId, 16);
  writeOptionalText(out, 3, context.traceState?.serialize());
  writeId(out, 2, context.spanId, 16);
  writeId(out, 1, context.traceId, 32);
  out.delimit(2, mark);
}

/** The resource message, encoded once per object. */
function resourceBytes(resource: Resource): Uint8Array {
  const known = resources.get(resource);
  if (known) return known;
  const out = new BackwardWriter(1024);
  writeAttributes(out, 1, resource.attributes);
  out.delimit(1, 0);
  const bytes = out.finish();
  if (!resource.asyncAttributesPending) resources.set(resource, bytes);
  return bytes;
}

function scopeBytes(scope: InstrumentationScope): Uint8Array {
  const known = scopes.get(scope);
  if (known) return known;
  const out = new BackwardWriter(256);
  writeCount(out, 4, scope.droppedAttributesCount);
  writeAttributes(out, 3, scope.attributes);
  writeOptionalText(out, 2, scope.version);
  writeText(out, 1, scope.name);
  out.delimit(1, 0);
  const bytes = out.finish();
  scopes.set(scope, bytes);
  return bytes;
}

function writeResourceSpans(out: BackwardWriter, spans: readonly ReadableSpan[], bad: Set<ReadableSpan>): void {
  for (const [resource, members] of [...grouped(spans, resourceOf)].reverse()) {
    const mark = out.mark;
    writeOptionalText(out, 3, resource.schemaUrl);
    for (const [scope, list] of [...grouped(members, scopeOf)].reverse()) {
      const start = out.mark;
      writeOptionalText(out, 3, scope.schemaUrl);
      for (let index = list.length - 1; index >= 0; index--) {
        const span = list[index] as ReadableSpan;
        const before = out.mark;
        try {
          writeSpan(out, span);
        } catch {
          out.rewind(before);
          bad.add(span);
        }
      }
      out.raw(scopeBytes(scope));
      out.delimit(2, start);
    }
    out.raw(resourceBytes(resource));
    out.delimit(1, mark);
  }
}

function resourceOf(span: ReadableSpan): Resource {
  return span.resource;
}

function scopeOf(span: ReadableSpan): InstrumentationScope {
  return span.instrumentationScope;
}

function grouped<K>(spans: readonly ReadableSpan[], keyOf: (span: ReadableSpan) => K): Map<K, ReadableSpan[]> {
  const groups = new Map<K, ReadableSpan[]>();
  for (const span of spans) {
    const list = groups.get(keyOf(span));
    if (list) list.push(span);
    else groups.set(keyOf(span), [span]);
  }
  return groups;
}

/**
 * OTLP/HTTP with binary protobuf.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#binary-protobuf-encoding
 */
export const protobufSerializer: Serializer = {
  contentType: "application/x-protobuf",
  serialize(spans, bad) {
    const out = new BackwardWriter(FIRST_BYTES + spans.length * BYTES_PER_SPAN);
    writeResourceSpans(out, spans, bad);
    return out.finish();
  },
  parseReply,
};
