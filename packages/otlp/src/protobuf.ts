// The protobuf encoding of a trace request. Written from the end of the buffer to its start: when the length of a message has to be
// written its bytes stand already, so nothing is measured first and nothing is moved.

import type { ExportReply, Serializer } from "./serializer.ts";
import type { Attributes, HrTime, InstrumentationScope, ReadableSpan, Resource, SpanContext } from "./span.ts";

/** Protobuf parsers give up at 100 nested messages; a nested map takes three. */
const MAX_DEPTH = 30;
const FIRST_BYTES = 16_384;
const BYTES_PER_SPAN = 512;
const LENGTH_DELIMITED = 2;
const REMOTE_KNOWN = 256;
const REMOTE = 512;

const encoder = /* @__PURE__ */ new TextEncoder();

/** A buffer that is filled from its end. Every method puts its bytes in front of what was written before. */
class BackwardWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #at: number;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#at = size;
  }

  /** Bytes written so far: the difference of two marks is the length of what was written between them. */
  get mark(): number {
    return this.#bytes.length - this.#at;
  }

  /** Takes back what was written after a mark. */
  rewind(mark: number): void {
    this.#at = this.#bytes.length - mark;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(this.#at);
  }

  #room(count: number): void {
    if (this.#at >= count) return;
    const written = this.mark;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, written + count));
    larger.set(this.#bytes.subarray(this.#at), larger.length - written);
    this.#at = larger.length - written;
    this.#bytes = larger;
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): void {
    this.#room(10);
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.#at -= size;
    let at = this.#at;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[at++] = (rest % 128) | 128;
    this.#bytes[at] = rest;
  }

  /** A signed 64-bit integer, two's complement: a negative one takes ten bytes. */
  int64(value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && Number.isSafeInteger(value)) return this.varint(value);
    let rest = BigInt.asUintN(64, BigInt(value));
    const low: number[] = [];
    for (; rest >= 128n; rest >>= 7n) low.push(Number(rest & 127n) | 128);
    low.push(Number(rest));
    this.raw(Uint8Array.from(low));
  }

  tag(field: number, wire: number): void {
    this.varint(field * 8 + wire);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#at -= bytes.length;
    this.#bytes.set(bytes, this.#at);
  }

  /** Closes a message or a string that began at a mark. */
  delimit(field: number, mark: number): void {
    this.varint(this.mark - mark);
    this.tag(field, LENGTH_DELIMITED);
  }

  fixed32(value: number): void {
    this.#room(4);
    this.#at -= 4;
    for (let index = 0; index < 4; index++) this.#bytes[this.#at + index] = value >>> (8 * index);
  }

  double(value: number): void {
    this.#room(8);
    this.#at -= 8;
    new DataView(this.#bytes.buffer).setFloat64(this.#at, value, true);
  }

  /** Text that is mostly ASCII, which is copied without an encoder. A lone surrogate becomes U+FFFD. */
  text(value: string): void {
    const length = value.length;
    this.#room(length);
    const start = this.#at - length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) return this.raw(encoder.encode(value));
      this.#bytes[start + index] = code;
    }
    this.#at = start;
  }

  hex(value: string): void {
    const count = value.length / 2;
    this.#room(count);
    this.#at -= count;
    for (let index = 0; index < count; index++) {
      this.#bytes[this.#at + index] =
        nibble(value.charCodeAt(2 * index)) * 16 + nibble(value.charCodeAt(2 * index + 1));
    }
  }
}

function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}

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

/** Ids of another form would make the receiver refuse the whole request. */
function writeIds(out: BackwardWriter, traceField: number, { traceId, spanId }: SpanContext): void {
  if (traceId.length !== 32 || !/^[\da-f]{48}$/.test(traceId + spanId)) throw new RangeError();
  out.hex(spanId);
  out.delimit(traceField + 1, out.mark - 8);
  out.hex(traceId);
  out.delimit(traceField, out.mark - 16);
}

/** Nanoseconds since the epoch as two 32-bit halves, without a big integer. */
function writeTime(out: BackwardWriter, field: number, [seconds, rest]: HrTime): void {
  if (!(seconds >= 0 && rest >= 0 && seconds < 1.8e10)) throw new RangeError();
  // 10^9 = 2^9 · 1953125: the product is taken apart so that each part stays below 2^53.
  const whole = Math.trunc(seconds);
  const lowSeconds = whole % 65536;
  const highSeconds = (whole - lowSeconds) / 65536;
  const lowProduct = lowSeconds * 1e9 + Math.trunc(rest) + Math.round((seconds - whole) * 1e9);
  const shifted = highSeconds * 1e9;
  const carried = lowProduct + (shifted % 65536) * 65536;
  // Little-endian: the low half stands first, so it is written last.
  out.fixed32(Math.floor(carried / 4294967296) + Math.floor(shifted / 65536));
  out.fixed32(carried % 4294967296);
  out.tag(field, 1);
}

function writeAnyValue(out: BackwardWriter, value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError();
  const mark = out.mark;
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
      if (value === null) return;
      if (Array.isArray(value)) {
        for (const item of value.toReversed()) {
          const start = out.mark;
          writeAnyValue(out, item, depth + 1);
          out.delimit(1, start);
        }
        return out.delimit(5, mark);
      }
      if (ArrayBuffer.isView(value)) {
        out.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
        return out.delimit(7, mark);
      }
      writeAttributes(out, 1, value as Attributes, depth + 1);
      return out.delimit(6, mark);
    default:
  }
}

function writeNumber(out: BackwardWriter, value: number | bigint): void {
  if (
    typeof value === "bigint"
      ? BigInt.asIntN(64, value) === value
      : Number.isInteger(value) && Math.abs(value) < 2 ** 63
  ) {
    out.int64(value);
    return out.tag(3, 0);
  }
  if (typeof value === "bigint") return writeText(out, 1, `${value}`);
  out.double(value);
  out.tag(4, 1);
}

function writeAttributes(out: BackwardWriter, field: number, attributes: Attributes | undefined, depth = 0): void {
  const keys = Object.keys(attributes ?? {});
  for (let index = keys.length - 1; index >= 0; index--) {
    const key = keys[index] ?? "";
    const mark = out.mark;
    writeAnyValue(out, attributes?.[key], depth);
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

/** Fields in descending order, since what is written last stands first. */
function writeSpan(out: BackwardWriter, span: ReadableSpan): void {
  const mark = out.mark;
  const context = span.spanContext();
  const parent = span.parentSpanContext;
  writeFlags(out, 16, flagsOf(context, parent?.isRemote));
  const status = out.mark;
  if (span.status.code) {
    out.varint(span.status.code);
    out.tag(3, 0);
  }
  writeOptionalText(out, 2, span.status.message);
  out.delimit(15, status);
  writeCount(out, 14, span.droppedLinksCount);
  for (const link of span.links.toReversed()) {
    const start = out.mark;
    writeFlags(out, 6, flagsOf(link.context, link.context.isRemote));
    writeCount(out, 5, link.droppedAttributesCount);
    writeAttributes(out, 4, link.attributes);
    writeOptionalText(out, 3, link.context.traceState?.serialize());
    writeIds(out, 1, link.context);
    out.delimit(13, start);
  }
  writeCount(out, 12, span.droppedEventsCount);
  for (const event of span.events.toReversed()) {
    const start = out.mark;
    writeCount(out, 4, event.droppedAttributesCount);
    writeAttributes(out, 3, event.attributes);
    writeText(out, 2, event.name);
    writeTime(out, 1, event.time);
    out.delimit(11, start);
  }
  writeCount(out, 10, span.droppedAttributesCount);
  writeAttributes(out, 9, span.attributes);
  writeTime(out, 8, span.endTime);
  writeTime(out, 7, span.startTime);
  out.varint((span.kind + 1) | 0);
  out.tag(6, 0);
  writeText(out, 5, span.name);
  if (parent?.spanId) {
    const start = out.mark;
    out.hex(parent.spanId);
    out.delimit(4, start);
  }
  writeOptionalText(out, 3, context.traceState?.serialize());
  writeIds(out, 1, context);
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

/** Reads `partial_success` {rejected_spans, error_message}, or the message of a `Status`: both nest no deeper than that. */
function parseReply(body: Uint8Array): ExportReply {
  let rejectedSpans = 0;
  let message = "";
  for (const field of fields(body)) {
    if (field.number === 2 && field.bytes) message = new TextDecoder().decode(field.bytes);
    if (field.number !== 1 || !field.bytes) continue;
    for (const inner of fields(field.bytes)) {
      if (inner.number === 1) rejectedSpans = inner.value;
      if (inner.number === 2 && inner.bytes) message = new TextDecoder().decode(inner.bytes);
    }
  }
  return { rejectedSpans, message };
}

interface Field {
  readonly number: number;
  readonly value: number;
  readonly bytes: Uint8Array | undefined;
}

/** Walks the fields of a message. Throws where the bytes are not one. */
function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 63) throw new RangeError();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    const number = Math.floor(tag / 8);
    if (wire === 0) {
      yield { number, value: varint(), bytes: undefined };
      continue;
    }
    const length = wire === 2 ? varint() : wire === 1 ? 8 : wire === 5 ? 4 : Number.NaN;
    if (!(at + length <= bytes.length)) throw new RangeError();
    yield { number, value: 0, bytes: wire === 2 ? bytes.subarray(at, at + length) : undefined };
    at += length;
  }
}
