// Attribute values as JSON text, the same from both encodings.

/** A 64-bit integer: a JSON number where a double holds it exactly, else its decimal digits as a string. */
export function integerText(value: number | bigint): string {
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value) : `"${BigInt(value)}"`;
  const exact = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return exact ? String(value) : `"${value}"`;
}

/** A double; what JSON has no number for is the string that proto3 JSON gives it. */
export function doubleText(value: number): string {
  return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
}

/** Bytes as base64. */
export function bytesText(bytes: Buffer): string {
  return `"${bytes.toString("base64")}"`;
}

/** One event as it is stored. */
export function eventText(name: string, timeNs: bigint, attributes: string): string {
  return `{"name":${JSON.stringify(name)},"timeUnixNano":"${timeNs}","attributes":{${attributes}}}`;
}

/** One link as it is stored. */
export function linkText(traceId: string, spanId: string, attributes: string, flags: number): string {
  const target = `"traceId":${JSON.stringify(traceId)},"spanId":${JSON.stringify(spanId)}`;
  return `{${target},"flags":${flags},"attributes":{${attributes}}}`;
}

/** Adds one member to the text of a list or an object. */
export function append(list: string, member: string): string {
  return list === "" ? member : `${list},${member}`;
}
