import { warnOnce } from "@botanu/core";
import type { AttributeValue } from "./types.ts";

/** An id of the application's own. */
export type Id = string | number | bigint;

/** Says whether a value is what a field may hold. */
export type Check = (value: unknown) => boolean;

/** A text that is not empty. */
export const isText: Check = (value) => typeof value === "string" && value !== "";

/** A field of what may be anything, if it is there and passes `check`. What does not pass is left out with one warning per field. */
export function checkedValue(source: unknown, field: string, check: Check): AttributeValue | undefined {
  try {
    const value = (source as Record<string, unknown> | null | undefined)?.[field];
    if (value == null || check(value)) return (value ?? undefined) as AttributeValue | undefined;
  } catch {
    // A getter threw.
  }
  warnOnce(`${field}!`, `${field} left out: not a valid value`);
  return undefined;
}

/** An id as it travels: databases give numbers. */
export function idText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "bigint" || Number.isFinite(value) ? String(value) : undefined;
}
