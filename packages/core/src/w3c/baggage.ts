import { splitList, trimWhitespace } from "./list.ts";
import { percentDecode, percentEncode } from "./percent-encoding.ts";

/** What every hop must propagate, and so what is emitted. https://www.w3.org/TR/baggage/#limits */
const MAX_MEMBERS = 64;
const MAX_BYTES = 8192;

/** Characters of a header that are read: twice what every hop must propagate. */
const MAX_READ = 2 * MAX_BYTES;

// One of two neighbours never takes what the other does: what does not match is refused in linear time.
const PAIR = /^[\w!#$%&'*+.^`|~-]+(?:=[!#-+\--:<-[\]-~]*)?$/;

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

/** Called with each valid member as it stands on the wire: the whole of it, and its parts, not decoded. */
type MemberVisitor = (raw: string, key: string, value: string, properties: readonly BaggageProperty[]) => void;

/**
 * Walks the members of a baggage header in order, in linear time, and leaves malformed ones out.
 * Reads whole members within 16,384 characters.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function scanBaggage(header: string, visit: MemberVisitor): void {
  const text = header.length > MAX_READ ? header.slice(0, header.lastIndexOf(",", MAX_READ) + 1) : header;
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf(",", start);
    if (end < 0) end = text.length;
    const member = text.slice(start, end);
    const equals = member.indexOf("=");
    // Most members have neither whitespace nor properties.
    if (equals > 0 && PAIR.test(member)) visit(member, member.slice(0, equals), member.slice(equals + 1), []);
    else scanMember(trimWhitespace(member), visit);
  }
}

function scanMember(raw: string, visit: MemberVisitor): void {
  const [member, ...properties] = splitList(raw, ";").map(parsePair);
  if (member?.value !== undefined && !properties.includes(undefined)) {
    visit(raw, member.key, member.value, properties as BaggageProperty[]);
  }
}

/** Key and value, not decoded, of `key=value` or of a bare key; undefined when a character is not allowed. */
function parsePair(text: string): BaggageProperty | undefined {
  const equals = text.indexOf("=");
  if (PAIR.test(text)) {
    return equals < 0 ? { key: text, value: undefined } : { key: text.slice(0, equals), value: text.slice(equals + 1) };
  }
  if (equals < 0) return undefined;
  const tight = `${trimWhitespace(text.slice(0, equals))}=${trimWhitespace(text.slice(equals + 1))}`;
  return tight.length < text.length ? parsePair(tight) : undefined;
}

/**
 * Parses a baggage header. Order and repeated keys are kept, malformed members are left out, keys are not decoded,
 * and bytes that are not UTF-8 become U+FFFD. Never throws.
 *
 * @see https://www.w3.org/TR/baggage/#header-content
 */
export function parseBaggage(header: string): BaggageMember[] {
  const members: BaggageMember[] = [];
  scanBaggage(header, (_raw, key, value, properties) => {
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
    if (pairs.every((pair) => PAIR.test(pair.key) && !pair.key.includes("=")))
      texts.push(pairs.map(formatPair).join(";"));
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
