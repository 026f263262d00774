// OTLP protobuf, read straight into rows: no message objects, no schema, no dependency.
// Field numbers: https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/trace/v1/trace.proto

import { append, bytesText, doubleText, eventText, integerText, linkText } from "./attribute-text.ts";
import {
  DECODE_LIMITS,
  type DecodeLimits,
  type DecodedSpans,
  InvalidSpan,
  LAST_KIND,
  LAST_STATUS,
  MAX_DEPTH,
  MalformedBody,
  type ResourceRow,
  type RunFields,
  type SpanDraft,
  type SpanRow,
  UNKNOWN_SERVICE,
  checkSpanCount,
  checkSpanText,
  createDraft,
  enumeration,
  finishDraft,
  noteRunAttribute,
  noteRunEvent,
} from "./span-row.ts";
import { WireReader } from "./wire-reader.ts";

// A tag is the field number shifted by three, plus the wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
const MESSAGE = 2;
const field = (number: number, type: number): number => (number << 3) | type;
const F1 = field(1, MESSAGE);
const F2 = field(2, MESSAGE);
const F3 = field(3, MESSAGE);
const F4 = field(4, MESSAGE);
const LINK_FLAGS = field(6, 5);

/** What is read of an attribute beside its text: the scalar value, for the few keys that are looked at. */
interface Attribute {
  key: string;
  text: string;
  scalar: string | number | undefined;
}

interface Decoding {
  readonly reader: WireReader;
  readonly limits: DecodeLimits;
  readonly rows: SpanRow[];
  readonly attribute: Attribute;
  seen: number;
  rejected: number;
  reason: string;
}

/**
 * Reads the body of an `ExportTraceServiceRequest`. Unknown fields are skipped.
 *
 * @throws {MalformedBody} when the bytes are not such a message
 * @throws {OversizedBody} when it holds more spans than the limit
 */
export function decodeProtobuf(body: Uint8Array, limits: DecodeLimits = DECODE_LIMITS): DecodedSpans {
  const reader = new WireReader(body);
  const attribute = { key: "", text: "", scalar: undefined };
  const decoding: Decoding = { reader, limits, rows: [], attribute, seen: 0, rejected: 0, reason: "" };
  while (reader.at < body.length) {
    const tag = reader.tag(body.length);
    if (tag === F1) readResourceSpans(decoding, reader.end(body.length));
    else reader.skip(tag, body.length);
  }
  return { rows: decoding.rows, rejected: decoding.rejected, reason: decoding.reason };
}

/** Fields come in any order, so the resource is looked for before the spans are read. */
function readResourceSpans(decoding: Decoding, end: number): void {
  const { reader } = decoding;
  let resource: ResourceRow = { service: UNKNOWN_SERVICE, attributes: "{}" };
  const scopes: number[] = [];
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === F1) resource = readResource(decoding, reader.end(end));
    else if (tag === F2) {
      const stop = reader.end(end);
      scopes.push(reader.at, stop);
      reader.at = stop;
    } else reader.skip(tag, end);
  }
  for (let index = 0; index < scopes.length; index += 2) {
    reader.at = scopes[index] ?? end;
    readScopeSpans(decoding, scopes[index + 1] ?? end, resource);
  }
  reader.at = end;
}

function readResource(decoding: Decoding, end: number): ResourceRow {
  const { reader, attribute, limits } = decoding;
  let service = UNKNOWN_SERVICE;
  let attributes = "";
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag !== F1) {
      reader.skip(tag, end);
      continue;
    }
    attributes = append(attributes, readAttributeOfBody(decoding, reader.end(end)));
    if (attribute.key === "service.name" && attribute.scalar) service = String(attribute.scalar);
    if (attributes.length > limits.maxSpanText) throw new MalformedBody("a resource is too large");
  }
  return { service, attributes: `{${attributes}}` };
}

/** A resource belongs to many spans: what is wrong with it is wrong with the body. */
function readAttributeOfBody(decoding: Decoding, end: number): string {
  try {
    return readAttribute(decoding, end, 0);
  } catch (error) {
    if (error instanceof InvalidSpan) throw new MalformedBody(error.message);
    throw error;
  }
}

function readScopeSpans(decoding: Decoding, end: number, resource: ResourceRow): void {
  const { reader } = decoding;
  let scope = "";
  const spans: number[] = [];
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === F1) scope = readScopeName(reader, reader.end(end));
    else if (tag === F2) {
      const stop = reader.end(end);
      spans.push(reader.at, stop);
      reader.at = stop;
      checkSpanCount((decoding.seen += 1), decoding.limits);
    } else reader.skip(tag, end);
  }
  for (let index = 0; index < spans.length; index += 2) {
    reader.at = spans[index] ?? end;
    readSpanOrReject(decoding, spans[index + 1] ?? end, resource, scope);
  }
  reader.at = end;
}

function readScopeName(reader: WireReader, end: number): string {
  let name = "";
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === F1) name = reader.text(end);
    else reader.skip(tag, end);
  }
  return name;
}

function readSpanOrReject(decoding: Decoding, end: number, resource: ResourceRow, scope: string): void {
  try {
    const draft = createDraft(resource, scope);
    readSpan(decoding, end, draft);
    decoding.rows.push(finishDraft(draft, decoding.limits));
  } catch (error) {
    if (!(error instanceof InvalidSpan)) throw error;
    decoding.rejected += 1;
    decoding.reason ||= error.message;
    decoding.reader.at = end;
  }
}

function readSpan(decoding: Decoding, end: number, draft: SpanDraft): void {
  const { reader, attribute, limits } = decoding;
  while (reader.at < end) {
    const tag = reader.tag(end);
    switch (tag) {
      case F1:
        draft.traceId = reader.hex(end);
        break;
      case F2:
        draft.spanId = reader.hex(end);
        break;
      case F3:
        draft.traceState = reader.text(end);
        break;
      case F4:
        draft.parentSpanId = reader.hex(end);
        break;
      case field(5, MESSAGE):
        draft.name = reader.text(end);
        break;
      case field(6, 0):
        draft.kind = enumeration(reader.int64(end), LAST_KIND);
        break;
      case field(7, 1):
        draft.startNs = reader.fixed64(end);
        break;
      case field(8, 1):
        draft.endNs = reader.fixed64(end);
        break;
      case field(9, MESSAGE):
        draft.attributes = append(draft.attributes, readAttribute(decoding, reader.end(end), 0));
        if (attribute.key.startsWith("botanu.")) noteRunAttribute(draft.run, attribute.key, attribute.scalar);
        checkSpanText(draft.attributes.length, limits);
        break;
      case field(11, MESSAGE):
        draft.events = append(draft.events, readEvent(decoding, reader.end(end), draft.run));
        checkSpanText(draft.events.length, limits);
        break;
      case field(13, MESSAGE):
        draft.links = append(draft.links, readLink(decoding, reader.end(end)));
        checkSpanText(draft.links.length, limits);
        break;
      case field(15, MESSAGE):
        readStatus(reader, reader.end(end), draft);
        break;
      case field(16, 5):
        draft.flags = reader.fixed32(end);
        break;
      default:
        reader.skip(tag, end);
    }
  }
}

function readStatus(reader: WireReader, end: number, draft: SpanDraft): void {
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === F2) draft.statusMessage = reader.text(end);
    else if (tag === field(3, 0)) draft.statusCode = enumeration(reader.int64(end), LAST_STATUS);
    else reader.skip(tag, end);
  }
}

function readEvent(decoding: Decoding, end: number, run: RunFields): string {
  const { reader, attribute, limits } = decoding;
  let name = "";
  let time = 0n;
  let attributes = "";
  let status: unknown;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === field(1, 1)) time = reader.fixed64(end);
    else if (tag === F2) name = reader.text(end);
    else if (tag === F3) {
      attributes = append(attributes, readAttribute(decoding, reader.end(end), 0));
      if (attribute.key === "status") status = attribute.scalar;
      checkSpanText(attributes.length, limits);
    } else reader.skip(tag, end);
  }
  noteRunEvent(run, name, status);
  return eventText(name, time, attributes);
}

function readLink(decoding: Decoding, end: number): string {
  const { reader, limits } = decoding;
  let traceId = "";
  let spanId = "";
  let attributes = "";
  let flags = 0;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === F1) traceId = reader.hex(end);
    else if (tag === F2) spanId = reader.hex(end);
    else if (tag === F4) {
      attributes = append(attributes, readAttribute(decoding, reader.end(end), 0));
      checkSpanText(attributes.length, limits);
    } else if (tag === LINK_FLAGS) flags = reader.fixed32(end);
    else reader.skip(tag, end);
  }
  return linkText(traceId, spanId, attributes, flags);
}

/** Reads a `KeyValue` to the text of one JSON member; key and scalar value are left in `decoding.attribute`. */
function readAttribute(decoding: Decoding, end: number, depth: number): string {
  const { reader, attribute } = decoding;
  let key = "";
  let text = "null";
  let scalar: string | number | undefined;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag === F1) key = reader.text(end);
    else if (tag === F2) {
      readValue(decoding, reader.end(end), depth);
      ({ text, scalar } = attribute);
    } else reader.skip(tag, end);
  }
  attribute.key = key;
  attribute.scalar = scalar;
  return `${JSON.stringify(key)}:${text}`;
}

/** Reads an `AnyValue` into `decoding.attribute`. Of several members the last one holds, as in any `oneof`. */
function readValue(decoding: Decoding, end: number, depth: number): void {
  const { reader, attribute } = decoding;
  let text = "null";
  let scalar: string | number | undefined;
  while (reader.at < end) {
    const tag = reader.tag(end);
    scalar = undefined;
    switch (tag) {
      case F1:
        scalar = reader.text(end);
        text = JSON.stringify(scalar);
        break;
      case field(2, 0):
        text = reader.bool(end) ? "true" : "false";
        break;
      case field(3, 0): {
        const value = reader.int64(end);
        text = integerText(value);
        scalar = typeof value === "number" ? value : undefined;
        break;
      }
      case field(4, 1):
        text = doubleText(reader.double(end));
        break;
      case field(5, MESSAGE):
        text = `[${readMembers(decoding, reader.end(end), depth + 1, true)}]`;
        break;
      case field(6, MESSAGE):
        text = `{${readMembers(decoding, reader.end(end), depth + 1, false)}}`;
        break;
      case field(7, MESSAGE):
        text = bytesText(reader.bytes(end));
        break;
      default:
        reader.skip(tag, end);
    }
  }
  attribute.text = text;
  attribute.scalar = scalar;
}

/** The members of an `ArrayValue` or a `KeyValueList`. */
function readMembers(decoding: Decoding, end: number, depth: number, array: boolean): string {
  if (depth > MAX_DEPTH) throw new InvalidSpan(`an attribute is nested deeper than ${MAX_DEPTH} levels`);
  const { reader, attribute, limits } = decoding;
  let members = "";
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag !== F1) {
      reader.skip(tag, end);
      continue;
    }
    const stop = reader.end(end);
    if (array) readValue(decoding, stop, depth);
    members = append(members, array ? attribute.text : readAttribute(decoding, stop, depth));
    checkSpanText(members.length, limits);
  }
  return members;
}
