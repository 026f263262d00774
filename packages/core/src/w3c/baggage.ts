import { splitList } from "./list.ts";
import { percentDecode, percentEncode } from "./percent-encoding.ts";

/** What every hop must propagate, and so what is emitted. https://www.w3.org/TR/baggage/#limits */
const MAX_MEMBERS = 64;
const MAX_BYTES = 8192;

/** Characters of a header that are read; more than any server that we know accepts. */
const MAX_READ = 65536;

// No two neighbours here can take the same character, so that a failure is found in linear time.
const PAIR = /^([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*([!#-+\--:<-[\]-~]*))?$/;

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

/** A valid member as it stands on the wire: key and value not decoded, and the pairs that follow the semicolons. */
export interface RawMember {
  readonly key: string;
  readonly value: string;
  readonly raw: string;
  readonly properties: readonly RegExpExecArray[];
}

/**
 * Walks the members of a baggage header in order, in linear time, and leaves malformed ones out.
 * Reads at most 65,536 characters.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function* readMembers(header: string): Generator<RawMember> {
  for (const raw of splitList(header.slice(0, MAX_READ), ",")) {
    const pairs: (RegExpExecArray | null)[] = [];
    for (const part of splitList(raw, ";")) pairs.push(PAIR.exec(part));
    const [member, ...properties] = pairs as RegExpExecArray[];
    if (member?.[1] && member[2] !== undefined && !pairs.includes(null))
      yield { key: member[1], value: member[2], raw, properties };
  }
}

/**
 * Parses a baggage header. Order and repeated keys are kept, malformed members are left out, keys are not decoded,
 * and bytes that are not UTF-8 become U+FFFD. Never throws.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function parseBaggage(header: string): BaggageMember[] {
  return Array.from(readMembers(header), ({ key, value, properties }) => ({
    key,
    value: percentDecode(value),
    ...(properties.length > 0 && { properties: properties.map(readProperty) }),
  }));
}

function readProperty([, key = "", value]: RegExpExecArray): BaggageProperty {
  return value === undefined ? { key } : { key, value: percentDecode(value) };
}

/**
 * Formats a baggage header without optional whitespace. Members and properties whose key is not a token are left out; members past
 * 64, or that would take the header past 8,192 bytes, are left out whole.
 *
 * @see https://www.w3.org/TR/baggage/#limits
 */
export function formatBaggage(members: Iterable<BaggageMember>): string {
  return joinMembers(Array.from(members, formatMember).filter((text) => PAIR.test(text.split(";", 1)[0] ?? ""))).header;
}

function formatMember({ key, value, properties = [] }: BaggageMember): string {
  let text = `${key}=${percentEncode(value)}`;
  for (const property of properties) {
    text += `;${property.key}`;
    if (property.value !== undefined) text += `=${percentEncode(property.value)}`;
  }
  return text;
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
