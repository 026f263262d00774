import { decodeUtf8 } from "./w3c/percent-encoding.ts";

/** Where propagation fields are read and written: headers, maps, header records, message attributes. */
export type Carrier = Headers | Map<string, unknown> | Record<string, unknown>;

/** Fields of one name that are read, at most. */
const MAX_FIELDS = 64;

interface MapLike {
  get?: unknown;
  set?: unknown;
  [key: string]: unknown;
}

/** The value of a field, whatever kind of carrier it is. Names in records are found in any case. */
export function readCarrier(carrier: Carrier, name: string): string | undefined {
  const map = carrier as MapLike;
  if (typeof map.get === "function") return textOf((carrier as Headers).get(name));
  const key =
    name in map ? name : Object.keys(map).find((each) => each.length === name.length && each.toLowerCase() === name);
  return key === undefined ? undefined : textOf(map[key]);
}

/** Writes a field, whatever kind of carrier it is. */
export function writeCarrier(carrier: Carrier, name: string, value: string): void {
  if (typeof (carrier as MapLike).set === "function") (carrier as Headers).set(name, value);
  else (carrier as MapLike)[name] = value;
}

/** The text of a header, of several headers, of bytes, or of a message attribute. */
export function textOf(value: unknown, depth = 3): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || depth === 0) return undefined;
  if (value instanceof Uint8Array) return decodeUtf8(value);
  if (Array.isArray(value)) {
    if (typeof value[0] === "number") return decodeUtf8(Uint8Array.from(value as number[]));
    return value
      .slice(0, MAX_FIELDS)
      .map((each) => textOf(each, depth - 1))
      .join();
  }
  const attribute = value as MapLike;
  return textOf(
    attribute["StringValue"] ?? attribute["stringValue"] ?? attribute["Value"] ?? attribute["value"],
    depth - 1,
  );
}
