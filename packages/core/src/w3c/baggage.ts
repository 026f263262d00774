import { percentDecode, percentEncode } from "./percent-encoding.ts";
import { trimWhitespace } from "./whitespace.ts";

/** What every hop must propagate, and so what is emitted. https://www.w3.org/TR/baggage/#limits */
export const MAX_MEMBERS = 64;
export const MAX_BYTES = 8192;

/** Characters of a header that are read; more than any server that we know accepts. */
const MAX_READ = 65536;

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
const NOT_VALUE = /[^!#-+\--:<-[\]-~]/;

/** A property of a baggage member; without value it is a bare key. */
export interface BaggageProperty {
  readonly key: string;
  readonly value?: string | undefined;
}

/** A baggage member, decoded. */
export interface BaggageMember {
  readonly key: string;
  readonly value: string;
  readonly properties?: readonly BaggageProperty[] | undefined;
}

/** Called with each valid member: its key, its value as it stands on the wire, the whole member, and its properties. */
export type MemberVisitor = (key: string, value: string, raw: string, properties: readonly BaggageProperty[]) => void;

/**
 * Walks the members of a baggage header in order, in linear time, and leaves malformed ones out.
 * Reads at most 65,536 characters.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function scanBaggage(header: string, visit: MemberVisitor): void {
  const text = header.length > MAX_READ ? header.slice(0, Math.max(0, header.lastIndexOf(",", MAX_READ))) : header;
  eachPart(text, ",", (raw) => {
    let key: string | undefined;
    let value: string | undefined;
    const properties: BaggageProperty[] = [];
    let valid = true;
    eachPart(raw, ";", (part) => {
      const pair = parsePair(part);
      if (pair === undefined) valid = false;
      else if (key === undefined) {
        key = pair.key;
        value = pair.value;
      } else properties.push(pair);
    });
    if (valid && key !== undefined && value !== undefined) visit(key, value, raw, properties);
  });
}

/** Key and value, not decoded, of `key=value` or `key`; undefined when a character is not allowed. */
function parsePair(part: string): BaggageProperty | undefined {
  const equals = part.indexOf("=");
  const key = trimWhitespace(equals < 0 ? part : part.slice(0, equals));
  if (!TOKEN.test(key)) return undefined;
  if (equals < 0) return { key };
  const value = trimWhitespace(part.slice(equals + 1));
  return NOT_VALUE.test(value) ? undefined : { key, value };
}

function eachPart(text: string, separator: string, visit: (part: string) => void): void {
  for (let start = 0; start <= text.length;) {
    const found = text.indexOf(separator, start);
    const end = found < 0 ? text.length : found;
    visit(trimWhitespace(text.slice(start, end)));
    start = end + 1;
  }
}

/**
 * Parses a baggage header. Order and repeated keys are kept, malformed members are left out, keys are not decoded,
 * and bytes that are not UTF-8 become U+FFFD. Never throws.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function parseBaggage(header: string): BaggageMember[] {
  const members: BaggageMember[] = [];
  scanBaggage(header, (key, value, _raw, properties) => {
    const member = { key, value: percentDecode(value) };
    members.push(properties.length > 0 ? { ...member, properties: properties.map(decodeProperty) } : member);
  });
  return members;
}

function decodeProperty({ key, value }: BaggageProperty): BaggageProperty {
  return value === undefined ? { key } : { key, value: percentDecode(value) };
}

/** One member as it stands on the wire, or undefined when a key is not a token. */
export function formatMember({ key, value, properties = [] }: BaggageMember): string | undefined {
  if (!TOKEN.test(key)) return undefined;
  let text = `${key}=${percentEncode(value)}`;
  for (const property of properties) {
    if (!TOKEN.test(property.key)) continue;
    text += `;${property.key}`;
    if (property.value !== undefined) text += `=${percentEncode(property.value)}`;
  }
  return text;
}

/**
 * Formats a baggage header without optional whitespace. Members whose key is not a token are left out; members past
 * 64, or that would take the header past 8,192 bytes, are left out whole.
 *
 * @see https://www.w3.org/TR/baggage/#limits
 */
export function formatBaggage(members: Iterable<BaggageMember>): string {
  const list: string[] = [];
  for (const member of members) {
    const text = formatMember(member);
    if (text !== undefined) list.push(text);
  }
  return joinMembers(list).header;
}

/** Joins members from the start until one limit is reached; `left` says how many did not fit. */
export function joinMembers(members: readonly string[]): { readonly header: string; readonly left: number } {
  let header = "";
  let count = 0;
  for (const member of members) {
    const next = count > 0 ? `${header},${member}` : member;
    if (count === MAX_MEMBERS || next.length > MAX_BYTES) break;
    header = next;
    count++;
  }
  return { header, left: members.length - count };
}
