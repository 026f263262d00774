import { decodeUtf8 } from "./w3c/percent-encoding.ts";

/** Where propagation fields are read and written: headers, maps, header records, message attributes. */
export type Carrier = Headers | Map<string, unknown> | Record<string, unknown>;

/** Fields of one name that are read, at most. */
const MAX_FIELDS = 64;

type Fields = Record<string, unknown>;

/** What a carrier of any kind holds under a lower-case name. Names in records are found in any case. */
export function readCarrier(carrier: Carrier, name: string): unknown {
  if (typeof carrier.get === "function") return (carrier as Headers).get(name);
  if (name in carrier) return (carrier as Fields)[name];
  for (const key in carrier) {
    if (key.length === name.length && key.toLowerCase() === name) return (carrier as Fields)[key];
  }
  return undefined;
}

/** Writes a field, whatever kind of carrier it is. */
export function writeCarrier(carrier: Carrier, name: string, value: string): void {
  if (typeof carrier.set === "function") (carrier as Headers).set(name, value);
  else (carrier as Fields)[name] = value;
}

/** The text of a header, of several headers, of bytes, or of a message attribute. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Uint8Array) return decodeUtf8(value);
  if (Array.isArray(value)) {
    return typeof value[0] === "number" ? decodeUtf8(Uint8Array.from(value)) : value.slice(0, MAX_FIELDS).join();
  }
  const attribute = value as Fields;
  return textOf(attribute["StringValue"] ?? attribute["stringValue"] ?? attribute["Value"] ?? attribute["value"]);
}
