const encoder = /* @__PURE__ */ new TextEncoder();

/** A buffer that is filled from its end. Every method puts its bytes in front of what was written before. */
export class BackwardWriter {
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

  /** Makes room for `count` bytes and returns where they start. */
  #take(count: number): number {
    if (this.#at < count) {
      const written = this.mark;
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, written + count));
      larger.set(this.#bytes.subarray(this.#at), larger.length - written);
      this.#at = larger.length - written;
      this.#bytes = larger;
    }
    this.#at -= count;
    return this.#at;
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): void {
    if (value < 128) {
      const at = this.#take(1);
      this.#bytes[at] = value;
    } else {
      this.#longVarint(value);
    }
  }

  #longVarint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    let at = this.#take(size);
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

  /** The tag of a field, below field 2^25. */
  tag(field: number, wire: number): void {
    this.varint(field * 8 + wire);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Closes a message or a string that began at a mark. */
  delimit(field: number, mark: number): void {
    this.varint(this.mark - mark);
    this.tag(field, 2);
  }

  fixed32(value: number): void {
    const at = this.#take(4);
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  double(value: number): void {
    const at = this.#take(8);
    new DataView(this.#bytes.buffer).setFloat64(at, value, true);
  }

  /** Text that is mostly ASCII, which is copied without an encoder. A lone surrogate becomes U+FFFD. */
  text(value: string): void {
    const { length } = value;
    const at = this.#take(length);
    const bytes = this.#bytes;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) {
        this.#at += length;
        return this.raw(encoder.encode(value));
      }
      bytes[at + index] = code;
    }
  }

  /** Hexadecimal digits of either case, two to a byte. */
  hex(value: string): void {
    const count = value.length >> 1;
    const at = this.#take(count);
    const bytes = this.#bytes;
    for (let index = 0; index < count; index++) {
      bytes[at + index] = (nibble(value.charCodeAt(2 * index)) << 4) | nibble(value.charCodeAt(2 * index + 1));
    }
  }
}

/** The low four bits of a digit are its value; those of a letter are nine less. */
function nibble(code: number): number {
  return (code & 15) + (code >> 6) * 9;
}
