/** One instruction of the W3C trace-context harness: call `url` with `arguments` as the body. */
export interface Instruction {
  readonly url: string;
  readonly arguments: unknown;
}

/**
 * Reads what the harness posts, a JSON list of instructions. Undefined when it is anything else.
 * @see https://github.com/w3c/trace-context/blob/main/test/README.md
 */
export function readInstructions(body: unknown): readonly Instruction[] | undefined {
  if (!Array.isArray(body)) return undefined;
  return (body as unknown[]).every(isInstruction) ? (body as Instruction[]) : undefined;
}

function isInstruction(value: unknown): value is Instruction {
  const url = (value as Partial<Instruction> | null)?.url;
  return typeof url === "string" && URL.canParse(url);
}

/** Carries instructions out one after the other, with the `fetch` that a user of the adapter would use. */
export async function carryOut(instructions: readonly Instruction[], fetch: typeof globalThis.fetch): Promise<void> {
  for (const { url, arguments: body } of instructions) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body ?? []),
    });
    await response.arrayBuffer();
  }
}

/** A harness app that listens. */
export interface HarnessApp {
  readonly url: string;
  close(): Promise<void>;
}
