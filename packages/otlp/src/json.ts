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

/** Keys seen before, each with the text in front of its value; emptied when full, since keys made from data would never end. */
const MAX_KEYS = 1000;

/** Characters after which the text is encoded: a flat string of this size costs the least to make and to encode. */
const CHUNK = 16_000;

const resources = new WeakMap<Resource, string>();
const scopes = new WeakMap<InstrumentationScope, string>();
const keys = new Map<string, string>();

const UNSAFE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** The inside of a JSON string. Few texts need an escape, and one test is cheaper than quoting them all. */
function escape(text: string): string {
  return UNSAFE.test(text) ? JSON.stringify(text.replace(/[\ud800-\udfff]/gu, "\ufffd")).slice(1, -1) : text;
}

/** Throws for ids that would make the receiver refuse the whole request. */
function ids(traceId: string, spanId: string): string {
  if (traceId.length !== 32 || !/^[\da-f]{48}$/.test(traceId + spanId)) throw new RangeError();
  return `{"traceId":"${traceId}","spanId":"${spanId}","flags":`;
}

function nanos([seconds, rest]: HrTime): string {
  if (!(seconds >= 0 && rest >= 0 && seconds < 1.8e10)) throw new RangeError();
  return seconds > 0 && rest < 1e9 && Number.isInteger(seconds)
    ? seconds + `${1e9 + Math.trunc(rest)}`.slice(1)
    : `${BigInt(Math.trunc(seconds)) * 1000000000n + BigInt(Math.trunc(rest))}`;
}

/* Every function below adds to the text before it: a string that only ever grows at its end is joined fastest. */

function anyValue(out: string, value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return `${out}"stringValue":"${escape(value)}"`;
    case "boolean":
      return `${out}"boolValue":${value}`;
    case "bigint":
    case "number":
      return out + numberValue(value);
    case "object":
      return value ? objectValue(out, value, depth + 1) : out;
    default:
      return out;
  }
}

function numberValue(value: number | bigint): string {
  if (Number.isSafeInteger(value)) return `"intValue":"${value}"`;
  if (typeof value === "bigint" || Number.isInteger(value)) {
    const integer = BigInt(value);
    if (BigInt.asIntN(64, integer) === integer) return `"intValue":"${integer}"`;
  }
  if (typeof value === "bigint") return `"stringValue":"${value}"`;
  return `"doubleValue":${Number.isFinite(value) ? value : `"${value}"`}`;
}

function objectValue(out: string, value: object, depth: number): string {
  if (depth > MAX_DEPTH) throw new RangeError();
  if (Array.isArray(value)) {
    if (value.length === 0) return `${out}"arrayValue":{}`;
    return `${list(out, '"arrayValue":{"values":[', value, (before, item) => `${anyValue(`${before}{`, item, depth)}}`)}}`;
  }
  if (!ArrayBuffer.isView(value))
    return `${keyValues(`${out}"kvlistValue":{"values":[`, value as Attributes, depth)}]}`;
  let bytes = "";
  for (const byte of new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    bytes += String.fromCharCode(byte);
  return `${out}"bytesValue":"${btoa(bytes)}"`;
}

function keyValues(out: string, attributes: Attributes, depth: number): string {
  let separator = "";
  for (const key of Object.keys(attributes)) {
    const value = attributes[key];
    let start = keys.get(key);
    if (start === undefined) {
      if (keys.size >= MAX_KEYS) keys.clear();
      keys.set(key, (start = `{"key":"${escape(key)}","value":{`));
    }
    out += separator + start;
    out = `${typeof value === "string" ? `${out}"stringValue":"${escape(value)}"` : anyValue(out, value, depth)}}}`;
    separator = ",";
  }
  return out;
}

/** Attributes and their dropped count: the part that spans, events, links, scopes and resources share. */
function attributed(out: string, attributes: Attributes | undefined, dropped: number | undefined): string {
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

function list<T>(out: string, start: string, items: readonly T[], add: (out: string, item: T) => string): string {
  for (const item of items) {
    out = add(out + start, item);
    start = ",";
  }
  return items.length ? `${out}]` : out;
}

function context(
  out: string,
  { traceId, spanId, traceState, traceFlags }: SpanContext,
  isRemote: boolean | undefined,
): string {
  const flags = (traceFlags & 255) | (isRemote ? 768 : 256);
  return `${out}${ids(traceId, spanId)}${flags}${text("traceState", traceState?.serialize())}`;
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
  if (parent?.spanId) out += `,"parentSpanId":"${parent.spanId}"`;
  out = `${out},"name":"${escape(span.name)}","kind":${(span.kind + 1) | 0},"startTimeUnixNano":"${nanos(span.startTime)}","endTimeUnixNano":"${nanos(span.endTime)}"`;
  out = attributed(out, span.attributes, span.droppedAttributesCount);
  out = list(out, ',"events":[', span.events, event) + counter("droppedEventsCount", span.droppedEventsCount);
  out = list(out, ',"links":[', span.links, link) + counter("droppedLinksCount", span.droppedLinksCount);
  return `${out},"status":{"code":${code | 0}${text("message", message)}}}`;
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
    const chunks: Uint8Array[] = [];
    let size = 0;
    let out = '{"resourceSpans":[';
    const flush = () => {
      const chunk = new TextEncoder().encode(out);
      size += chunk.length;
      chunks.push(chunk);
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
        let start = "";
        for (const span of list) {
          try {
            out = encodeSpan(out + start, span);
            start = ",";
          } catch {
            bad.add(span);
          }
          if (out.length > CHUNK) flush();
        }
        out += "]}";
      }
      out += "]}";
    }
    out += "]}";
    flush();
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  },
  parseReply(body) {
    const { partialSuccess, message } = JSON.parse(new TextDecoder().decode(body)) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
      message?: unknown;
    };
    return {
      rejectedSpans: Number(partialSuccess?.rejectedSpans ?? 0),
      message: `${partialSuccess?.errorMessage ?? message ?? ""}`,
    };
  },
};
