// OTLP JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): lowerCamelCase keys, ids in hex,
// 64-bit integers as strings or numbers. Names of enum values are taken too, for senders that use proto3's own JSON.

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
  OversizedBody,
  type ResourceRow,
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

type Json = Readonly<Record<string, unknown>>;
type Failure = new (message: string) => Error;

const KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"].map(
  (each) => `SPAN_KIND_${each}`,
);
const STATUSES = ["UNSET", "OK", "ERROR"].map((each) => `STATUS_CODE_${each}`);
const SPAN_TIME = /^\d{1,20}$/;
const INTEGER = /^-?\d{1,19}$/;
const BASE64 = /^[\w+/-]*={0,2}$/;
const MAX_CONTAINERS = 1_000_000;
const SNAKE_CASE = "resource_spans";

/**
 * Reads the body of an `ExportTraceServiceRequest` in JSON. Unknown keys are skipped.
 *
 * @throws {MalformedBody} when the text is not such a message
 * @throws {OversizedBody} when it holds more spans than the limit
 */
export function decodeJson(body: Uint8Array, limits: DecodeLimits = DECODE_LIMITS): DecodedSpans {
  const request = object(parse(body), "the request", MalformedBody);
  if (SNAKE_CASE in request) throw new MalformedBody("not OTLP JSON: keys are lowerCamelCase (resourceSpans)");
  const rows: SpanRow[] = [];
  let seen = 0;
  let rejected = 0;
  let reason = "";
  for (const { span, resource, scope } of spansOf(request)) {
    checkSpanCount((seen += 1), limits);
    try {
      rows.push(readSpan(object(span, "a span", InvalidSpan), createDraft(resource, scope), limits));
    } catch (error) {
      if (!(error instanceof InvalidSpan)) throw error;
      rejected += 1;
      reason ||= error.message;
    }
  }
  return { rows, rejected, reason };
}

function parse(body: Uint8Array): unknown {
  checkContainers(body);
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MalformedBody(`not JSON: ${error instanceof Error ? error.message.slice(0, 160) : "unreadable"}`);
  }
}

/**
 * A few bytes of JSON make an object of a hundred. Counting them first costs less than a tenth of parsing, and keeps a body of
 * the allowed size from taking all memory, which would end the whole process.
 */
function checkContainers(body: Uint8Array): void {
  if (body.length < 3 * MAX_CONTAINERS) return;
  let containers = 0;
  let inText = false;
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index];
    if (byte === 0x5c) index += 1;
    else if (byte === 0x22) inText = !inText;
    else if (!inText && (byte === 0x5b || byte === 0x7b)) containers += 1;
  }
  if (containers > MAX_CONTAINERS) {
    throw new OversizedBody(`more than ${MAX_CONTAINERS} objects and lists in one request: send smaller batches`);
  }
}

function* spansOf(request: Json): Generator<{ span: unknown; resource: ResourceRow; scope: string }> {
  for (const each of list(request["resourceSpans"], "resourceSpans", MalformedBody)) {
    const group = object(each, "a member of resourceSpans", MalformedBody);
    const resource = readResource(group["resource"]);
    for (const member of list(group["scopeSpans"], "scopeSpans", MalformedBody)) {
      const scopeSpans = object(member, "a member of scopeSpans", MalformedBody);
      const scope = text(object(scopeSpans["scope"] ?? {}, "a scope", MalformedBody), "name", MalformedBody);
      for (const span of list(scopeSpans["spans"], "spans", MalformedBody)) yield { span, resource, scope };
    }
  }
}

function readResource(value: unknown): ResourceRow {
  const resource = object(value ?? {}, "a resource", MalformedBody);
  let service = UNKNOWN_SERVICE;
  try {
    const attributes = readAttributes(resource["attributes"], 0, DECODE_LIMITS, (key, scalar) => {
      if (key === "service.name" && scalar) service = String(scalar);
    });
    return { service, attributes: `{${attributes}}` };
  } catch (error) {
    // A resource belongs to many spans: what is wrong with it is wrong with the body.
    if (error instanceof InvalidSpan) throw new MalformedBody(error.message);
    throw error;
  }
}

function readSpan(span: Json, draft: SpanDraft, limits: DecodeLimits): SpanRow {
  draft.traceId = text(span, "traceId").toLowerCase();
  draft.spanId = text(span, "spanId").toLowerCase();
  draft.parentSpanId = text(span, "parentSpanId").toLowerCase();
  draft.traceState = text(span, "traceState");
  draft.flags = readFlags(span["flags"]);
  draft.name = text(span, "name");
  draft.kind = readEnum(span["kind"], KINDS, LAST_KIND);
  draft.startNs = readTime(span, "startTimeUnixNano");
  draft.endNs = readTime(span, "endTimeUnixNano");
  const status = object(span["status"] ?? {}, "a status", InvalidSpan);
  draft.statusCode = readEnum(status["code"], STATUSES, LAST_STATUS);
  draft.statusMessage = text(status, "message");
  draft.attributes = readAttributes(span["attributes"], 0, limits, (key, scalar) => {
    if (key.startsWith("botanu.")) noteRunAttribute(draft.run, key, scalar);
  });
  for (const each of list(span["events"], "events")) {
    draft.events = append(draft.events, readEvent(object(each, "an event", InvalidSpan), draft, limits));
    checkSpanText(draft.events.length, limits);
  }
  for (const each of list(span["links"], "links")) {
    draft.links = append(draft.links, readLink(object(each, "a link", InvalidSpan), limits));
    checkSpanText(draft.links.length, limits);
  }
  return finishDraft(draft, limits);
}

function readEvent(event: Json, draft: SpanDraft, limits: DecodeLimits): string {
  const name = text(event, "name");
  let status: unknown;
  const attributes = readAttributes(event["attributes"], 0, limits, (key, scalar) => {
    if (key === "status") status = scalar;
  });
  noteRunEvent(draft.run, name, status);
  return eventText(name, readTime(event, "timeUnixNano"), attributes);
}

function readLink(link: Json, limits: DecodeLimits): string {
  const attributes = readAttributes(link["attributes"], 0, limits, () => undefined);
  const flags = Number(link["flags"]) >>> 0;
  return linkText(text(link, "traceId").toLowerCase(), text(link, "spanId").toLowerCase(), attributes, flags);
}

/** Reads a list of `KeyValue` to the members of a JSON object; scalars are told to `note`. */
function readAttributes(
  value: unknown,
  depth: number,
  limits: DecodeLimits,
  note: (key: string, scalar: string | number) => void,
): string {
  let members = "";
  for (const each of list(value, "attributes")) {
    const attribute = object(each, "an attribute", InvalidSpan);
    const key = text(attribute, "key");
    const content = object(attribute["value"] ?? {}, "an attribute value", InvalidSpan);
    const written = readValue(content, depth, limits);
    members = append(members, `${JSON.stringify(key)}:${written}`);
    checkSpanText(members.length, limits);
    const scalar = content["stringValue"] ?? (content["intValue"] == null ? undefined : Number(content["intValue"]));
    if (typeof scalar === "string" || typeof scalar === "number") note(key, scalar);
  }
  return members;
}

/** Reads an `AnyValue`; one without a known member is null. */
function readValue(value: Json, depth: number, limits: DecodeLimits): string {
  if (value["stringValue"] != null) return JSON.stringify(text(value, "stringValue"));
  if (value["intValue"] != null) return integerText(readInteger(value["intValue"]));
  if (value["boolValue"] != null) return readBool(value["boolValue"]);
  if (value["doubleValue"] != null) return doubleText(readDouble(value["doubleValue"]));
  if (value["bytesValue"] != null) return readBytes(text(value, "bytesValue"));
  if (value["arrayValue"] == null && value["kvlistValue"] == null) return "null";
  if (depth >= MAX_DEPTH) throw new InvalidSpan(`an attribute is nested deeper than ${MAX_DEPTH} levels`);
  if (value["kvlistValue"] != null) {
    const { values } = object(value["kvlistValue"], "kvlistValue", InvalidSpan);
    return `{${readAttributes(values, depth + 1, limits, () => undefined)}}`;
  }
  const { values } = object(value["arrayValue"], "arrayValue", InvalidSpan);
  let members = "";
  for (const each of list(values, "values")) {
    members = append(members, readValue(object(each, "an attribute value", InvalidSpan), depth + 1, limits));
    checkSpanText(members.length, limits);
  }
  return `[${members}]`;
}

function readInteger(value: unknown): number | bigint {
  const digits = typeof value === "number" ? Number.isInteger(value) : typeof value === "string" && INTEGER.test(value);
  const integer = digits ? BigInt(value as number | string) : undefined;
  if (integer !== undefined && BigInt.asIntN(64, integer) === integer) return integer;
  throw new InvalidSpan("an intValue is not an integer");
}

function readBool(value: unknown): string {
  if (typeof value !== "boolean") throw new InvalidSpan("a boolValue is neither true nor false");
  return String(value);
}

function readDouble(value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || (Number.isNaN(number) && value !== "NaN")) {
    throw new InvalidSpan("a doubleValue is not a number");
  }
  return number;
}

function readBytes(value: string): string {
  if (!BASE64.test(value)) throw new InvalidSpan("a bytesValue is not base64");
  return bytesText(Buffer.from(value, "base64"));
}

function readEnum(value: unknown, names: readonly string[], last: number): number {
  return enumeration(typeof value === "string" ? names.indexOf(value) : value, last);
}

function readTime(holder: Json, key: string): bigint {
  const value = holder[key];
  if (value == null || value === "") return 0n;
  if (typeof value === "string" && SPAN_TIME.test(value)) return BigInt(value);
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return BigInt(value);
  throw new InvalidSpan(`${key} is not a time in nanoseconds`);
}

function readFlags(value: unknown): number {
  const flags = Number(value ?? 0);
  if (!Number.isInteger(flags) || flags < 0 || flags > 0xffffffff) throw new InvalidSpan("flags are not 32 bits");
  return flags;
}

function list(value: unknown, what: string, Failure: Failure = InvalidSpan): readonly unknown[] {
  if (value == null) return [];
  if (!Array.isArray(value)) throw new Failure(`${what} is not a list`);
  return value;
}

function object(value: unknown, what: string, Failure: Failure): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Failure(`${what} is not an object`);
  }
  return value as Json;
}

function text(holder: Json, key: string, Failure: Failure = InvalidSpan): string {
  const value = holder[key];
  if (value == null) return "";
  if (typeof value !== "string") throw new Failure(`${key} is not a string`);
  return value;
}
