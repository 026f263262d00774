import { splitList, trimWhitespace } from "./list.ts";
import { percentDecode, percentEncode } from "./percent-encoding.ts";

/** What every hop must propagate, and so what is emitted. https://www.w3.org/TR/baggage/#limits */
const MAX_MEMBERS = 64;
const MAX_BYTES = 8192;

/** Characters of a header that are read: twice what every hop must propagate. */
const MAX_READ = 2 * MAX_BYTES;

const NOT_TOKEN = /[^\w!#$%&'*+.^`|~-]/;
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

/**
 * Called with each valid member as it stands on the wire: the whole of it, and its pairs, not decoded. The first pair is the member's
 * own, the others are its properties.
 */
export type MemberVisitor = (raw: string, key: string, value: string, pairs: readonly BaggageProperty[]) => void;

/**
 * Walks the members of a baggage header in order, in linear time, and leaves malformed ones out.
 * Reads whole members within 16,384 characters.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function scanBaggage(header: string, visit: MemberVisitor): void {
  const text = header.length > MAX_READ ? header.slice(0, header.lastIndexOf(",", MAX_READ) + 1) : header;
  for (const raw of splitList(text, ",")) {
    const pairs = (raw.includes(";") ? splitList(raw, ";") : [raw]).map(readPair);
    const [member] = pairs;
    if (member?.value !== undefined && pairs.every(isValid)) visit(raw, member.key, member.value, pairs);
  }
}

function readPair(text: string): BaggageProperty {
  const equals = text.indexOf("=");
  return equals < 0
    ? { key: text, value: undefined }
    : { key: trimWhitespace(text.slice(0, equals)), value: trimWhitespace(text.slice(equals + 1)) };
}

function isValid({ key, value }: BaggageProperty): boolean {
  return key !== "" && !NOT_TOKEN.test(key) && !(value && NOT_VALUE.test(value));
}

/**
 * Parses a baggage header. Order and repeated keys are kept, malformed members are left out, keys are not decoded,
 * and bytes that are not UTF-8 become U+FFFD. Never throws.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function parseBaggage(header: string): BaggageMember[] {
  const members: BaggageMember[] = [];
  scanBaggage(header, (_raw, key, value, [, ...properties]) => {
    const member = { key, value: percentDecode(value) };
    members.push(properties.length > 0 ? { ...member, properties: properties.map(decodeProperty) } : member);
  });
  return members;
}

function decodeProperty({ key, value }: BaggageProperty): BaggageProperty {
  return value === undefined ? { key } : { key, value: percentDecode(value) };
}

/**
 * Formats a baggage header without optional whitespace. Members with a key, their own or a property's, that is not a token are left
 * out; members past 64, or that would take the header past 8,192 bytes, are left out whole.
 *
 * @see https://www.w3.org/TR/baggage/#limits
 */
export function formatBaggage(members: Iterable<BaggageMember>): string {
  const texts: string[] = [];
  for (const { key, value, properties = [] } of members) {
    const pairs = [{ key, value }, ...properties];
    if (pairs.every((pair) => isValid({ key: pair.key }))) texts.push(pairs.map(formatPair).join(";"));
  }
  return joinMembers(texts).header;
}

function formatPair({ key, value }: BaggageProperty): string {
  return value === undefined ? key : `${key}=${percentEncode(value)}`;
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
