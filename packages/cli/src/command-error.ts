// How a command ends when it cannot go on.

/** Exit codes of every command. `dev -- <command>` ends with the exit code of that command instead. */
export const EXIT = { ok: 0, finding: 1, usage: 2 } as const;

/** What is wrong, and what to do about it: printed in two lines, without a stack. */
export class CommandError extends Error {
  /** The next step for the reader. */
  readonly hint: string;
  readonly exitCode: number;

  constructor(message: string, hint = "", exitCode: number = EXIT.usage) {
    super(message);
    this.name = "CommandError";
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
