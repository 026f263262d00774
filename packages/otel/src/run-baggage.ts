import { formatBaggage, parseBaggage } from "@botanu/core";
import type { Baggage, BaggageEntry } from "@opentelemetry/api";

/** A baggage entry, with the list-member it was read from: that is what goes out again while nobody changes it. */
interface Member {
  readonly key: string;
  readonly entry: BaggageEntry;
  readonly text?: string | undefined;
}

/**
 * OpenTelemetry Baggage that remembers how each member was written. What it forwards is what came in: properties,
 * escapes, order and duplicates included. Immutable, as the API asks.
 */
export class RunBaggage implements Baggage {
  readonly #members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /** The members as applications see them: decoded entries, whose texts are the raw list-members. */
  static of(
    members: Iterable<{ readonly key: string; readonly value: string; readonly text?: string | undefined }>,
  ): RunBaggage {
    return new RunBaggage(Array.from(members, ({ key, value, text }) => ({ key, entry: { value }, text })));
  }

  getEntry(key: string): BaggageEntry | undefined {
    const found = this.#members.findLast((member) => member.key === key);
    return found && { ...found.entry };
  }

  getAllEntries(): Array<[string, BaggageEntry]> {
    const last = new Map(this.#members.map(({ key, entry }) => [key, entry]));
    return Array.from(last, ([key, entry]) => [key, { ...entry }]);
  }

  setEntry(key: string, entry: BaggageEntry): RunBaggage {
    return new RunBaggage([...this.#without([key]), { key, entry }]);
  }

  removeEntry(key: string): RunBaggage {
    return new RunBaggage(this.#without([key]));
  }

  removeEntries(...keys: string[]): RunBaggage {
    return new RunBaggage(this.#without(keys));
  }

  clear(): RunBaggage {
    return new RunBaggage([]);
  }

  /** The list-members to send, without those of `botanu.*`: the run writes its own. */
  foreign(): string[] {
    return this.#members.flatMap(({ key, entry, text }) => (isOwn(key) ? [] : (text ?? listMember(key, entry))));
  }

  #without(keys: readonly string[]): Member[] {
    return this.#members.filter((member) => !keys.includes(member.key));
  }
}

/** The list-members to send for the baggage of any implementation, without those of `botanu.*`. */
export function foreignMembers(baggage: Baggage): string[] {
  if (baggage instanceof RunBaggage) return baggage.foreign();
  return baggage.getAllEntries().flatMap(([key, entry]) => (isOwn(key) ? [] : listMember(key, entry)));
}

function isOwn(key: string): boolean {
  return key.startsWith("botanu.");
}

/** One entry as a list-member, or nothing where the API holds what the header cannot. */
function listMember(key: string, entry: BaggageEntry): string[] {
  const metadata = entry.metadata?.toString() ?? "";
  const properties = metadata === "" ? undefined : parseBaggage(`k=v;${metadata}`)[0]?.properties;
  const text = formatBaggage([{ key, value: String(entry.value), properties }]);
  return text === "" ? [] : [text];
}
