// The protobuf wire format (https://protobuf.dev/programming-guides/encoding/). Every read is told where the enclosing
// message ends and refuses to pass it, so a wrong length can neither read what is not there nor go backwards.

import { MalformedBody } from "./span-row.ts";

const TRUNCATED = "not OTLP protobuf: a length passes the end of its message";

/** A cursor over one message. All reads move `at`; all throw {@link MalformedBody} rather than pass `limit`. */
export class WireReader {
  /** Offset of the next byte. */
  at = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next tag: field number shifted by three, plus the wire type. */
  tag(limit: number): number {
    const tag = this.uint32(limit);
    if (tag >>> 3 === 0) throw new MalformedBody("not OTLP protobuf: field number 0");
    return tag;
  }

  /** Reads a length and gives the offset at which that field ends. */
  end(limit: number): number {
    const length = this.uint32(limit);
    if (length > limit - this.at) throw new MalformedBody(TRUNCATED);
    return this.at + length;
  }

  /** Passes over a field of any known wire type; groups do not exist in OTLP. */
  skip(tag: number, limit: number): void {
    const type = tag & 7;
    if (type === 0) this.int64(limit);
    else if (type === 1) this.#take(8, limit);
    else if (type === 2) this.at = this.end(limit);
    else if (type === 5) this.#take(4, limit);
    else throw new MalformedBody(`not OTLP protobuf: wire type ${type}`);
  }

  text(limit: number): string {
    const end = this.end(limit);
    const start = this.at;
    this.at = end;
    return end - start > 24 ? this.#bytes.toString("utf8", start, end) : this.#shortText(start, end);
  }

  hex(limit: number): string {
    const end = this.end(limit);
    const text = this.#bytes.toString("hex", this.at, end);
    this.at = end;
    return text;
  }

  bytes(limit: number): Buffer {
    const end = this.end(limit);
    const bytes = this.#bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  bool(limit: number): boolean {
    return this.int64(limit) !== 0;
  }

  fixed32(limit: number): number {
    return this.#view.getUint32(this.#take(4, limit), true);
  }

  fixed64(limit: number): bigint {
    return this.#view.getBigUint64(this.#take(8, limit), true);
  }

  double(limit: number): number {
    return this.#view.getFloat64(this.#take(8, limit), true);
  }

  /** A varint of at most 32 bits: tags, lengths, enums. A larger one (a negative length, say) is refused. */
  uint32(limit: number): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.at >= limit) throw new MalformedBody(TRUNCATED);
      const byte = this.#bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw new MalformedBody("not OTLP protobuf: a number is out of range");
  }

  /** A varint of 64 bits, two's complement: a number where a double is exact, else a bigint. */
  int64(limit: number): number | bigint {
    let low = 0;
    let high = 0n;
    for (let index = 0; index < 10; index += 1) {
      if (this.at >= limit) throw new MalformedBody(TRUNCATED);
      const byte = this.#bytes[this.at++] ?? 0;
      if (index < 7) low += (byte & 0x7f) * 2 ** (7 * index);
      else high |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return high === 0n ? low : exact(BigInt.asIntN(64, high | BigInt(low)));
    }
    throw new MalformedBody("not OTLP protobuf: a number is longer than 64 bits");
  }

  /** Short ASCII texts, which nearly all keys are, are put together faster than they are decoded. */
  #shortText(start: number, end: number): string {
    let text = "";
    for (let index = start; index < end; index += 1) {
      const byte = this.#bytes[index] ?? 0;
      if (byte > 0x7f) return this.#bytes.toString("utf8", start, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #take(length: number, limit: number): number {
    const start = this.at;
    if (length > limit - start) throw new MalformedBody(TRUNCATED);
    this.at = start + length;
    return start;
  }
}

function exact(value: bigint): number | bigint {
  return value >= -0x1fffffffffffffn && value <= 0x1fffffffffffffn ? Number(value) : value;
}
