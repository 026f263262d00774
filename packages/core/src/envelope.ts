import type { Carrier } from "./carrier.ts";
import { ENVELOPE_KEY } from "./keys.ts";
import { extract, inject, type ExtractOptions, type Extracted, type Propagation } from "./propagation.ts";

/** A message attribute as SQS and SNS take it. */
export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue: string;
}

/** SQS takes no more attributes per message. */
const MAX_ATTRIBUTES = 10;

/** Adds the propagation fields to message attributes of SQS or SNS form, as far as there is room for ten in all. */
export function injectAttributes(propagation: Propagation, attributes: Record<string, unknown>): void {
  inject(propagation, attributes, {
    setter(carrier, key, value) {
      if (key in carrier || Object.keys(carrier).length < MAX_ATTRIBUTES) {
        carrier[key] = { DataType: "String", StringValue: value } satisfies MessageAttribute;
      }
    },
  });
}

/** A copy of a message body with the propagation fields in its reserved member; anything but a plain object is returned as it is. */
export function injectEnvelope<T extends object>(body: T, propagation: Propagation): T {
  if (!isPlainObject(body)) return body;
  const fields: Record<string, unknown> = {};
  inject(propagation, fields);
  return { ...body, [ENVELOPE_KEY]: fields };
}

/** Reads what {@link injectEnvelope} wrote. Never throws. */
export function extractEnvelope(body: unknown, options?: ExtractOptions): Extracted {
  const fields = isPlainObject(body) ? (body as Record<string, unknown>)[ENVELOPE_KEY] : undefined;
  return extract((isPlainObject(fields) ? fields : {}) as Carrier, options);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
