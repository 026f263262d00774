// What of the given data a span keeps: valid attribute values, and no more of anything than its limits allow.

import type { Attributes, AttributeValue } from "./types.ts";

/** How many of anything a span holds, where its limits say nothing. */
export const DEFAULT_COUNT_LIMIT = 128;

/** Told of what was given and could not be kept. */
export type Reject = (kind: string, what: unknown) => void;

function isPlain(type: string): boolean {
  return type === "string" || type === "number" || type === "boolean";
}

// As in the SDK, a length of zero is no limit.
function cleanValue(value: unknown, length: number): unknown {
  const type = typeof value;
  if (type === "string") return length ? (value as string).slice(0, length) : value;
  if (isPlain(type)) return value;
  if (!Array.isArray(value)) return undefined;
  const first = typeof value.find((item) => item != null);
  return (isPlain(first) || first === "undefined") && value.every((item) => item == null || typeof item === first)
    ? value.map((item) => item && cleanValue(item, length))
    : undefined;
}

/**
 * Copies attributes of which there are at most `max`, all of them plain values: nearly every span is given such.
 * Undefined when they are not.
 */
export function cloneAttributes(given: Attributes | undefined, max: number): Attributes | undefined {
  try {
    const attributes = { ...given };
    for (const key in attributes) if (!isPlain(typeof attributes[key]) || !key || --max < 0) return undefined;
    return attributes;
  } catch {
    return undefined;
  }
}

/** The attributes of an event or a link. */
export function takeAttributes(
  source: unknown,
  max: number = DEFAULT_COUNT_LIMIT,
  length: number | undefined,
  reject: Reject,
): { attributes: Attributes; droppedAttributesCount: number } {
  const attributes = length ? undefined : cloneAttributes(source as Attributes, max);
  if (attributes) return { attributes, droppedAttributesCount: 0 };
  const kept = {};
  return { attributes: kept, droppedAttributesCount: putAttributes(kept, source, max, length, reject) };
}

/** Puts one attribute in, if it is valid and there is room; returns 1 when there was none. */
export function putAttribute(
  target: Attributes,
  key: string,
  value: unknown,
  max: number = DEFAULT_COUNT_LIMIT,
  length: number = Infinity,
  reject: Reject,
): number {
  if (value == null) return 0;
  let clean: unknown;
  try {
    clean = cleanValue(value, length);
  } catch {
    // An array that cannot be read is no value.
  }
  // An array put in as `__proto__` would become the prototype.
  if (clean === undefined || typeof key !== "string" || !key || key === "__proto__") reject("attribute", key);
  else if (Object.hasOwn(target, key) || Object.keys(target).length < max) target[key] = clean as AttributeValue;
  else return 1;
  return 0;
}

/**
 * Puts `source` into `target` as far as its values are valid and `max` leaves room; returns how many found none.
 * Reads each property once, and never throws: not on a getter that does, not on a proxy.
 */
export function putAttributes(
  target: Attributes,
  source: unknown,
  max: number | undefined,
  length: number | undefined,
  reject: Reject,
): number {
  let dropped = 0;
  try {
    for (const key of Object.keys(source ?? {})) {
      let value: unknown;
      try {
        value = (source as Attributes)[key];
      } catch {
        // Refused below, as what it is: no value of an attribute.
        value = {};
      }
      dropped += putAttribute(target, key, value, max, length, reject);
    }
  } catch {
    // A proxy that does not say what it has.
    reject("attribute", "unreadable");
  }
  return dropped;
}
