// Replies of an OTLP/HTTP receiver, in the encoding of the request.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp-response

import type { BodyFormat } from "./ingest.ts";

export const CONTENT_TYPES: Readonly<Record<BodyFormat, string>> = {
  json: "application/json",
  protobuf: "application/x-protobuf",
};

/** `google.rpc.Code` values that are used here. */
export const RPC = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** The encoding that a content type names; undefined for one that OTLP does not know. */
export function bodyFormat(contentType: string | undefined): BodyFormat | undefined {
  const type = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (type === "application/json") return "json";
  return type === "application/x-protobuf" || type === "application/protobuf" ? "protobuf" : undefined;
}

/** An `Export…ServiceResponse`; with nothing rejected and no message, the empty one. `noun` is what is counted: `Spans`. */
export function exportResponse(format: BodyFormat, rejected: number, message: string, noun: string): Buffer {
  if (format === "json") {
    if (rejected === 0 && message === "") return Buffer.from("{}");
    return Buffer.from(
      JSON.stringify({ partialSuccess: { [`rejected${noun}`]: String(rejected), errorMessage: message } }),
    );
  }
  if (rejected === 0 && message === "") return Buffer.alloc(0);
  const count = rejected === 0 ? [] : [Buffer.from([0x08]), varint(rejected)];
  return lengthDelimited(1, Buffer.concat([...count, lengthDelimited(2, Buffer.from(message))]));
}

/** A `google.rpc.Status`. */
export function statusBody(format: BodyFormat, code: number, message: string): Buffer {
  if (format === "json") return Buffer.from(JSON.stringify({ code, message }));
  return Buffer.concat([Buffer.from([0x08]), varint(code), lengthDelimited(2, Buffer.from(message))]);
}

function lengthDelimited(field: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
