// What a portable suite is made of: titled functions that throw when a promise of the library is broken. No test
// framework, no Node: the same cases run in every runtime that can load one ES module.

/** One promise of the library; `run` throws (or rejects) when it is broken. */
export interface Case {
  readonly title: string;
  readonly run: () => void | Promise<void>;
}

/** What came of a suite: how many cases held, and why the others did not. */
export interface Report {
  readonly passed: number;
  readonly failures: readonly { readonly title: string; readonly reason: string }[];
}

/** Runs every case in order; a failing case never stops the ones behind it. */
export async function runCases(cases: readonly Case[]): Promise<Report> {
  let passed = 0;
  const failures: { title: string; reason: string }[] = [];
  for (const each of cases) {
    try {
      await each.run();
      passed += 1;
    } catch (error) {
      failures.push({ title: each.title, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { passed, failures };
}

/** Throws unless both sides are the same plain data. Absent and `undefined` members are equal; order of keys is not data. */
export function assertEqual(actual: unknown, expected: unknown): void {
  const left = canonical(actual);
  const right = canonical(expected);
  if (left !== right) throw new Error(`expected ${shorten(right)}, got ${shorten(left)}`);
}

/** Throws with the reason unless the condition holds. */
export function assert(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new Error(reason);
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, member: unknown) =>
      typeof member === "object" && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    ) ?? "undefined"
  );
}

function shorten(text: string): string {
  return text.length <= 1200 ? text : `${text.slice(0, 1200)}… (${text.length} characters)`;
}
