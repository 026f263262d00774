// The messages of an OTLP trace request for protobufjs, written from the field numbers of the specification:
// a second reader and writer of the wire format, to check ours against.

import protobuf from "protobufjs";

const SCHEMA = `
syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; string schema_url = 3; }
message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  uint32 dropped_attributes_count = 10; repeated Event events = 11; uint32 dropped_events_count = 12;
  repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15; fixed32 flags = 16;
  repeated string unknown_texts = 900; fixed64 unknown_fixed = 901; uint64 unknown_number = 902; fixed32 unknown_short = 903;
}
message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
message Link { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; repeated KeyValue attributes = 4; fixed32 flags = 6; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value {
  string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5;
  KeyValueList kvlist_value = 6; bytes bytes_value = 7;
} }
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message Response { PartialSuccess partial_success = 1; }
message PartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
message RpcStatus { int32 code = 1; string message = 2; }
`;

const { root } = protobuf.parse(SCHEMA);

/** Writes an OTLP/JSON request as protobuf: ids become bytes, everything else has the same names. */
export function encodeRequest(request: object): Buffer {
  const type = root.lookupType("Request");
  return Buffer.from(type.encode(type.fromObject(withBytes(request) as Record<string, unknown>)).finish());
}

export function decodeMessage(type: "Response" | "RpcStatus", body: Uint8Array): Record<string, unknown> {
  const message = root.lookupType(type);
  return message.toObject(message.decode(body), { longs: String });
}

function withBytes(value: unknown, key = ""): unknown {
  if (/^(traceId|spanId|parentSpanId)$/.test(key) && typeof value === "string") return Buffer.from(value, "hex");
  if (Array.isArray(value)) return value.map((each) => withBytes(each));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withBytes(each, name)]));
}
