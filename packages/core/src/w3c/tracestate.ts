import { splitList } from "./list.ts";

const MAX_MEMBERS = 32;
const MAX_CHARACTERS = 512;
const LARGE_MEMBER = 128;

// A value may start with spaces, and cannot end with one because the member was trimmed.
const MEMBER = /^[a-z\d][a-z\d_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

/** The vendors' list of a trace, structurally that of the OpenTelemetry API; immutable. */
export interface TraceState {
  get(key: string): string | undefined;
  set(key: string, value: string): TraceState;
  unset(key: string): TraceState;
  serialize(): string;
}

/** A list-member of `tracestate`. */
export interface TracestateMember {
  readonly key: string;
  readonly value: string;
}

/**
 * Parses a `tracestate` header. One malformed member, or more than 32, make the whole list undefined. Of members
 * with the same key the first is kept.
 *
 * @see https://www.w3.org/TR/trace-context-2/#tracestate-header
 */
export function parseTracestate(header: string): TracestateMember[] | undefined {
  const members = new Map<string, string>();
  for (const text of readMembers(header) ?? [""]) {
    if (text === "") return undefined;
    const equals = text.indexOf("=");
    const key = text.slice(0, equals);
    if (!members.has(key)) members.set(key, text.slice(equals + 1));
  }
  return Array.from(members, ([key, value]) => ({ key, value }));
}

/**
 * Formats a `tracestate` header: at most 32 valid members. A list of more than 512 characters loses members of more than 128
 * characters first and then its right-most ones.
 *
 * @see https://www.w3.org/TR/trace-context-2/#tracestate-limits
 */
export function formatTracestate(members: Iterable<TracestateMember>): string {
  const texts = Array.from(members, ({ key, value }) => `${key}=${value}`);
  return fit(texts.filter((text) => MEMBER.test(text)));
}

/** Reads a `tracestate` header; a malformed one gives an empty list. Unchanged, it serializes as it came. */
export function createTraceState(header: string = ""): TraceState {
  const members = readMembers(header);
  return traceStateOf(members ?? [], members && header);
}

function traceStateOf(members: readonly string[], text: string = fit(members)): TraceState {
  const isOf = (key: string) => (member: string) => member.startsWith(`${key}=`);
  const without = (key: string): string[] => members.filter((member) => !isOf(key)(member));
  const state: TraceState = {
    get: (key) => members.find(isOf(key))?.slice(key.length + 1),
    set(key, value) {
      const member = `${key}=${value}`;
      return MEMBER.test(member) ? traceStateOf([member, ...without(key)]) : state;
    },
    unset: (key) => (members.some(isOf(key)) ? traceStateOf(without(key)) : state),
    serialize: () => text,
  };
  return state;
}

function readMembers(header: string): string[] | undefined {
  const members: string[] = [];
  for (const member of splitList(header, ",")) {
    if (member && (!MEMBER.test(member) || members.push(member) > MAX_MEMBERS)) return undefined;
  }
  return members;
}

function fit(members: readonly string[]): string {
  const kept = members.slice(0, MAX_MEMBERS);
  // Without a large member the index is -1, which removes the last one.
  while (kept.join().length > MAX_CHARACTERS)
    kept.splice(
      kept.findLastIndex(({ length }) => length > LARGE_MEMBER),
      1,
    );
  return kept.join();
}
