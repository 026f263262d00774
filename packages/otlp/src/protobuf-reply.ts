import type { ExportReply } from "./serializer.ts";

/** Reads `partial_success` {rejected_spans, error_message}, or the message of a `Status`: both nest no deeper than that. */
export function parseReply(body: Uint8Array): ExportReply {
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

/**
 * Walks the fields of a message. Throws where the bytes are not one.
 * @yields each field, in order
 */
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
