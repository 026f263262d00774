// What of the given data a span keeps: valid attribute values, and no more of anything than its limits allow.

import { BotanuError } from "@botanu/core";
import type { Attributes, AttributeValue, SpanLimits } from "./types.ts";

const DEFAULT_COUNT = 128;

/** Limits with their defaults. Throws `ERR_INVALID_OPTION` on a negative number and on what is no number. */
export function resolveLimits(given: Partial<SpanLimits> = {}): SpanLimits {
  const limits = {
    attributeValueLengthLimit: Infinity,
    attributeCountLimit: DEFAULT_COUNT,
    linkCountLimit: DEFAULT_COUNT,
    eventCountLimit: DEFAULT_COUNT,
    attributePerEventCountLimit: DEFAULT_COUNT,
    attributePerLinkCountLimit: DEFAULT_COUNT,
  };
  for (const key of Object.keys(limits) as Array<keyof SpanLimits>) {
    const limit = given[key] ?? limits[key];
    if (!(limit >= 0)) throw new BotanuError("ERR_INVALID_OPTION", `${key}: not a number from 0`);
    limits[key] = limit;
  }
  return limits;
}

function cut(text: string, length: number): string {
  // As in the SDK, a limit of zero is no limit.
  return length > 0 && text.length > length ? text.slice(0, length) : text;
}

/** The value as a span may keep it: arrays copied, texts cut. Undefined when it is not an attribute value. */
export function cleanValue(value: unknown, length: number): AttributeValue | undefined {
  if (typeof value === "string") return cut(value, length);
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (!Array.isArray(value)) return undefined;
  let type: string | undefined;
  const copy: unknown[] = [];
  for (const item of value as unknown[]) {
    if (item != null) {
      type ??= typeof item;
      if (typeof item !== type || cleanValue(item, 0) === undefined || type === "object") return undefined;
    }
    copy.push(typeof item === "string" ? cut(item, length) : item);
  }
  return copy as AttributeValue;
}

/**
 * Puts `source` into `target` as far as its values are valid and `max` leaves room; returns how many found none.
 * Reads each property once, and never throws: not on a getter that does, not on a proxy.
 */
export function putAttributes(
  target: Attributes,
  source: unknown,
  max: number,
  length: number,
  reject: (what: string) => void,
): number {
  let room = max - Object.keys(target).length;
  let dropped = 0;
  if (typeof source !== "object" || source === null) return dropped;
  for (const key of ownKeys(source)) {
    let value: AttributeValue | undefined;
    try {
      const given = (source as Record<string, unknown>)[key];
      if (given == null) continue;
      value = cleanValue(given, length);
    } catch {
      // A property that cannot be read is one that is not valid.
    }
    // An array put in as `__proto__` would become the prototype.
    if (value === undefined || key === "" || key === "__proto__") reject(`attribute ${key}`);
    else if (Object.hasOwn(target, key)) target[key] = value;
    else if (room-- > 0) target[key] = value;
    else dropped++;
  }
  return dropped;
}

function ownKeys(source: object): string[] {
  try {
    return Object.keys(source);
  } catch {
    return [];
  }
}
