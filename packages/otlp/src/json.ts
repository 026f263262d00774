import type { Serializer } from "./serializer.ts";
import type {
  Attributes,
  HrTime,
  InstrumentationScope,
  Link,
  ReadableSpan,
  Resource,
  SpanContext,
  TimedEvent,
} from "./span.ts";

/** Protobuf parsers, which may stand behind a receiver, give up at 100 nested messages; a nested map takes three. */
const MAX_DEPTH = 30;

/** Values in one set of attributes: objects that hold each other unfold without end long before they are too deep. */
const MAX_VALUES = 1e5;

/** Keys seen before, each with the text around it; emptied when full, since keys made from data would never end. */
const MAX_KEYS = 1000;

/** Characters after which the text is encoded: a flat string of this size costs the least to make and to encode. */
const CHUNK = 16_000;

const resources = new WeakMap<Resource, string>();
const scopes = new WeakMap<InstrumentationScope, string>();
const keys = new Map<string, string>();

let values = 0;

const encoder = /* @__PURE__ */ new TextEncoder();

const HEX = /^[\da-f]+$/;
const UNSAFE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** The inside of a JSON string. Few texts need an escape, and one test is cheaper than quoting them all. */
function escape(text: string): string {
  return UNSAFE.test(text) ? JSON.stringify(text.replace(/[\ud800-\udfff]/gu, "\ufffd")).slice(1, -1) : text;
}

/** Throws for ids that would make the receiver refuse the whole request. */
function hex(id: string, size: number): string {
  const digits = HEX.test(id) ? id : id.toLowerCase();
  if (id.length !== size || !HEX.test(digits)) throw new RangeError();
  return digits;
}

function nanos(time: HrTime): string {
  const seconds = time[0];
  const rest = time[1];
  if (!(seconds >= 0 && rest >= 0 && seconds < 1.8e10 && rest < 1e15)) throw new RangeError();
  return seconds >= 1 && rest < 1e9
    ? Math.trunc(seconds) + `${1e9 + Math.trunc(rest)}`.slice(1)
    : `${BigInt(Math.trunc(seconds)) * 1000000000n + BigInt(Math.trunc(rest))}`;
}

/* Every function below adds to the text before it: a string that only ever grows at its end is joined fastest. */

function anyValue(out: string, value: unknown, depth: number): string {
  if (++values > MAX_VALUES || depth > MAX_DEPTH) throw new RangeError();
  switch (typeof value) {
    case "string":
      return `${out}"stringValue":"${escape(value)}"`;
    case "boolean":
      return `${out}"boolValue":${value}`;
    case "number":
      return Number.isSafeInteger(value) ? `${out}"intValue":"${value}"` : out + numberValue(value);
    case "bigint":
      return out + numberValue(value);
    case "object":
      return value ? objectValue(out, value, depth + 1) : out;
    default:
      return out;
  }
}

function numberValue(value: number | bigint): string {
  if (typeof value === "bigint" || Number.isInteger(value)) {
    const integer = BigInt(value);
    if (BigInt.asIntN(64, integer) === integer) return `"intValue":"${integer}"`;
  }
  if (typeof value === "bigint") return `"stringValue":"${value}"`;
  return `"doubleValue":${Number.isFinite(value) ? value : `"${value}"`}`;
}

function objectValue(out: string, value: object, depth: number): string {
  if (Array.isArray(value)) {
    return `${list(`${out}"arrayValue":{"values":[`, value, (before, item) => `${anyValue(`${before}{`, item, depth)}}`)}]}`;
  }
  if (!ArrayBuffer.isView(value)) {
    return `${keyValues(`${out}"kvlistValue":{"values":[`, value as Attributes, depth)}]}`;
  }
  let bytes = "";
  for (const byte of new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) {
    bytes += String.fromCharCode(byte);
  }
  return `${out}"bytesValue":"${btoa(bytes)}"`;
}

/** The text before a string value: the end of the member before it, and its key. */
function opening(key: string): string {
  let text = keys.get(key);
  if (text === undefined) {
    if (keys.size >= MAX_KEYS) keys.clear();
    keys.set(key, (text = `"}},{"key":"${escape(key)}","value":{"stringValue":"`));
  }
  return text;
}

function keyValues(out: string, attributes: Attributes, depth: number): string {
  // How much of the end of a member, `"}},`, the next opening has to leave out: all of it, or the quote.
  let skip = 4;
  for (const key of Object.keys(attributes)) {
    const value = attributes[key];
    const text = opening(key);
    if (typeof value === "string") {
      out += skip ? text.slice(skip) : text;
      out += UNSAFE.test(value) ? escape(value) : value;
      skip = 0;
    } else {
      out = anyValue(out + text.slice(skip, -15), value, depth);
      skip = 1;
    }
  }
  return skip > 3 ? out : out + '"}}'.slice(skip);
}

/** Attributes and their dropped count: the part that spans, events, links, scopes and resources share. */
function attributed(out: string, attributes: Attributes | undefined, dropped: number | undefined): string {
  values = 0;
  if (attributes) out = keyValues(`${out},"attributes":[`, attributes, 0) + "]";
  return out + counter("droppedAttributesCount", dropped);
}

function counter(name: string, count: number | undefined): string {
  const value = (count ?? 0) >>> 0;
  return value ? `,"${name}":${value}` : "";
}

function text(name: string, value: string | undefined): string {
  return value ? `,"${name}":"${escape(value)}"` : "";
}

function list<T>(out: string, items: readonly T[], add: (out: string, item: T) => string): string {
  let separator = "";
  for (const item of items) {
    out = add(out + separator, item);
    separator = ",";
  }
  return out;
}

function context(
  out: string,
  { traceId, spanId, traceState, traceFlags }: SpanContext,
  isRemote: boolean | undefined,
): string {
  const flags = (traceFlags & 255) | (isRemote ? 768 : 256);
  return `${out}{"traceId":"${hex(traceId, 32)}","spanId":"${hex(spanId, 16)}","flags":${flags}${text("traceState", traceState?.serialize())}`;
}

function event(out: string, { time, name, attributes, droppedAttributesCount }: TimedEvent): string {
  return `${attributed(`${out}{"timeUnixNano":"${nanos(time)}","name":"${escape(name)}"`, attributes, droppedAttributesCount)}}`;
}

function link(out: string, { context: target, attributes, droppedAttributesCount }: Link): string {
  return `${attributed(context(out, target, target.isRemote), attributes, droppedAttributesCount)}}`;
}

function encodeSpan(out: string, span: ReadableSpan): string {
  const parent = span.parentSpanContext;
  const { code, message } = span.status;
  out = context(out, span.spanContext(), parent?.isRemote);
  if (parent?.spanId) out += `,"parentSpanId":"${hex(parent.spanId, 16)}"`;
  out = `${out},"name":"${escape(span.name)}","kind":${(span.kind + 1) & 7},"startTimeUnixNano":"${nanos(span.startTime)}","endTimeUnixNano":"${nanos(span.endTime)}"`;
  out = attributed(out, span.attributes, span.droppedAttributesCount);
  if (span.events.length) out = `${list(`${out},"events":[`, span.events, event)}]`;
  if (span.links.length) out = `${list(`${out},"links":[`, span.links, link)}]`;
  out += counter("droppedEventsCount", span.droppedEventsCount) + counter("droppedLinksCount", span.droppedLinksCount);
  return `${out},"status":{"code":${code & 3}${text("message", message)}}}`;
}

/** The opening of a `ResourceSpans`, which also tells groups apart. */
function encodeResource(resource: Resource): string {
  let start = resources.get(resource);
  if (start === undefined) {
    start = `{"resource":{${attributed("", resource.attributes, 0).slice(1)}}${text("schemaUrl", resource.schemaUrl)},"scopeSpans":[`;
    if (!resource.asyncAttributesPending) resources.set(resource, start);
  }
  return start;
}

/** The opening of a `ScopeSpans`. */
function encodeScope(scope: InstrumentationScope): string {
  let start = scopes.get(scope);
  if (start === undefined) {
    const inner = attributed(text("version", scope.version), scope.attributes, scope.droppedAttributesCount);
    start = `{"scope":{"name":"${escape(scope.name)}"${inner}}${text("schemaUrl", scope.schemaUrl)},"spans":[`;
    scopes.set(scope, start);
  }
  return start;
}

/** Spans by the opening of their resource and of their scope. */
function group(spans: readonly ReadableSpan[], bad: Set<ReadableSpan>): Map<string, Map<string, ReadableSpan[]>> {
  const groups = new Map<string, Map<string, ReadableSpan[]>>();
  for (const span of spans) {
    try {
      const resource = encodeResource(span.resource);
      const scope = encodeScope(span.instrumentationScope);
      let members = groups.get(resource);
      if (!members) groups.set(resource, (members = new Map()));
      const list = members.get(scope);
      if (list) list.push(span);
      else members.set(scope, [span]);
    } catch {
      bad.add(span);
    }
  }
  return groups;
}

/** OTLP/JSON: proto3 JSON with hexadecimal ids and enums as integers. */
export const jsonSerializer: Serializer = {
  contentType: "application/json",
  serialize(spans, bad) {
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    let size = 0;
    let out = '{"resourceSpans":[';
    const drain = (): void => {
      const needed = size + out.length * 3;
      if (!bytes || needed > bytes.length) {
        const larger = new Uint8Array(needed * 2);
        larger.set(bytes ?? []);
        bytes = larger;
      }
      size += encoder.encodeInto(out, bytes.subarray(size)).written;
      out = "";
    };
    let nextResource = "";
    for (const [resource, members] of group(spans, bad)) {
      out += nextResource + resource;
      nextResource = ",";
      let nextScope = "";
      for (const [scope, list] of members) {
        out += nextScope + scope;
        nextScope = ",";
        let nextSpan = "";
        for (const span of list) {
          try {
            out = encodeSpan(out + nextSpan, span);
            nextSpan = ",";
          } catch {
            bad.add(span);
          }
          if (out.length > CHUNK) drain();
        }
        out += "]}";
      }
      out += "]}";
    }
    out += "]}";
    // Most requests are one short text, which needs no room to grow.
    if (!bytes) return encoder.encode(out);
    drain();
    return (bytes as Uint8Array<ArrayBuffer>).subarray(0, size);
  },
  parseReply(body) {
    const { partialSuccess, message } = JSON.parse(new TextDecoder().decode(body)) as {
      partialSuccess?: { rejectedSpans?: string | number; errorMessage?: string };
      message?: string;
    };
    return {
      rejectedSpans: Number(partialSuccess?.rejectedSpans ?? 0),
      message: String(partialSuccess?.errorMessage ?? message ?? ""),
    };
  },
};
