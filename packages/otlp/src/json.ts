import type { Attributes, HrTime, InstrumentationScope, Link, ReadableSpan, Resource, SpanContext, TimedEvent } from "./span.ts";
import type { Serializer } from "./serializer.ts";

/** Anything but the characters that stand for themselves in JSON; surrogates are looked at one by one. */
const UNSAFE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** Protobuf parsers stop at about 100 nested messages, of which a nested map takes three. */
const MAX_DEPTH = 30;

const resources = new WeakMap<Resource, string>();
const scopes = new WeakMap<InstrumentationScope, string>();

function quote(text: string): string {
  return UNSAFE.test(text) ? JSON.stringify(text.replace(/[\ud800-\udfff]/gu, "\ufffd")) : `"${text}"`;
}

function hex(id: string, length: number): string {
  if (id.length !== length || /[^\da-f]/i.test(id)) throw new RangeError();
  return id.toLowerCase();
}

function nanos([seconds, rest]: HrTime): string {
  if (!(seconds >= 0 && rest >= 0 && seconds < 1.8e10)) throw new RangeError();
  return seconds > 0 && rest < 1e9 && Number.isInteger(seconds)
    ? seconds + `${1e9 + Math.trunc(rest)}`.slice(1)
    : `${BigInt(Math.trunc(seconds)) * 1000000000n + BigInt(Math.trunc(rest))}`;
}

function list<T>(name: string, items: readonly T[], write: (item: T) => string): string {
  return items.length ? `,"${name}":[${items.map(write).join()}]` : "";
}

function anyValue(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new RangeError();
  switch (typeof value) {
    case "string":
      return `{"stringValue":${quote(value)}}`;
    case "boolean":
      return `{"boolValue":${value}}`;
    case "bigint":
    case "number":
      return numberValue(value);
    case "object":
      return value ? objectValue(value, depth + 1) : "{}";
    default:
      return "{}";
  }
}

function numberValue(value: number | bigint): string {
  if (Number.isSafeInteger(value)) return `{"intValue":"${value}"}`;
  if (typeof value === "bigint" || Number.isInteger(value)) {
    const integer = BigInt(value);
    if (BigInt.asIntN(64, integer) === integer) return `{"intValue":"${integer}"}`;
  }
  return typeof value === "bigint"
    ? `{"stringValue":"${value}"}`
    : `{"doubleValue":${Number.isFinite(value) ? value : `"${value}"`}}`;
}

function objectValue(value: object, depth: number): string {
  if (Array.isArray(value)) return `{"arrayValue":{"values":[${value.map((item) => anyValue(item, depth)).join()}]}}`;
  if (ArrayBuffer.isView(value)) {
    let bytes = "";
    for (const byte of new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) bytes += String.fromCharCode(byte);
    return `{"bytesValue":"${btoa(bytes)}"}`;
  }
  return `{"kvlistValue":{"values":[${keyValues(value as Attributes, depth)}]}}`;
}

function keyValues(attributes: Attributes, depth: number): string {
  let out = "";
  for (const key of Object.keys(attributes)) {
    out += `${out && ","}{"key":${quote(key)},"value":${anyValue(attributes[key], depth)}}`;
  }
  return out;
}

/** Attributes and their dropped count: the part that spans, events, links, scopes and resources share. */
function attributed(attributes: Attributes | undefined, dropped: number | undefined): string {
  const members = attributes ? keyValues(attributes, 0) : "";
  return (members && `,"attributes":[${members}]`) + counter("droppedAttributesCount", dropped);
}

function counter(name: string, count: number | undefined): string {
  const value = (count ?? 0) >>> 0;
  return value ? `,"${name}":${value}` : "";
}

function context({ traceId, spanId, traceState, traceFlags }: SpanContext, isRemote: boolean | undefined): string {
  const state = traceState?.serialize();
  return (
    `{"traceId":"${hex(traceId, 32)}","spanId":"${hex(spanId, 16)}","flags":${(traceFlags & 255) | (isRemote ? 768 : 256)}` +
    (state ? `,"traceState":${quote(state)}` : "")
  );
}

function event({ time, name, attributes, droppedAttributesCount }: TimedEvent): string {
  return `{"timeUnixNano":"${nanos(time)}","name":${quote(name)}${attributed(attributes, droppedAttributesCount)}}`;
}

function link({ context: target, attributes, droppedAttributesCount }: Link): string {
  return `${context(target, target.isRemote)}${attributed(attributes, droppedAttributesCount)}}`;
}

function encodeSpan(span: ReadableSpan): string {
  const parent = span.parentSpanContext;
  const { code, message } = span.status;
  return (
    context(span.spanContext(), parent?.isRemote) +
    (parent?.spanId ? `,"parentSpanId":"${hex(parent.spanId, 16)}"` : "") +
    `,"name":${quote(span.name)},"kind":${(span.kind + 1) | 0},"startTimeUnixNano":"${nanos(span.startTime)}","endTimeUnixNano":"${nanos(span.endTime)}"` +
    attributed(span.attributes, span.droppedAttributesCount) +
    list("events", span.events, event) +
    counter("droppedEventsCount", span.droppedEventsCount) +
    list("links", span.links, link) +
    counter("droppedLinksCount", span.droppedLinksCount) +
    `,"status":{"code":${code | 0}${message ? `,"message":${quote(message)}` : ""}}}`
  );
}

function schema(url: string | undefined): string {
  return url ? `"schemaUrl":${quote(url)},` : "";
}

function encodeResource(resource: Resource): string {
  let text = resources.get(resource);
  if (text === undefined) {
    text = `{${schema(resource.schemaUrl)}"resource":{${attributed(resource.attributes, 0).slice(1)}},"scopeSpans":[`;
    if (!resource.asyncAttributesPending) resources.set(resource, text);
  }
  return text;
}

function encodeScope(scope: InstrumentationScope): string {
  let text = scopes.get(scope);
  if (text === undefined) {
    const version = scope.version ? `,"version":${quote(scope.version)}` : "";
    text = `{${schema(scope.schemaUrl)}"scope":{"name":${quote(scope.name)}${version}${attributed(scope.attributes, scope.droppedAttributesCount)}},"spans":[`;
    scopes.set(scope, text);
  }
  return text;
}

/** OTLP/JSON: proto3 JSON with hexadecimal ids and enums as integers. */
export const jsonSerializer: Serializer = {
  contentType: "application/json",
  serialize(spans, bad) {
    const groups = new Map<string, Map<string, string>>();
    for (const span of spans) {
      try {
        const text = encodeSpan(span);
        const resource = encodeResource(span.resource);
        const scope = encodeScope(span.instrumentationScope);
        let group = groups.get(resource);
        if (!group) groups.set(resource, (group = new Map()));
        const before = group.get(scope);
        group.set(scope, before ? `${before},${text}` : text);
      } catch {
        bad.add(span);
      }
    }
    let body = "";
    for (const [resource, group] of groups) {
      let inner = "";
      for (const [scope, text] of group) inner += `${inner && ","}${scope}${text}]}`;
      body += `${body && ","}${resource}${inner}]}`;
    }
    return new TextEncoder().encode(`{"resourceSpans":[${body}]}`);
  },
  parseReply(body) {
    const { partialSuccess, message } = JSON.parse(new TextDecoder().decode(body)) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
      message?: unknown;
    };
    return { rejectedSpans: Number(partialSuccess?.rejectedSpans ?? 0), message: `${partialSuccess?.errorMessage ?? message ?? ""}` };
  },
};
