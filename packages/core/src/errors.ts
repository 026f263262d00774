/** What went wrong, stable across releases. */
export type BotanuErrorCode = "ERR_INVALID_OPTION";

/** A mistake of the program, thrown at set-up and never because of what came over the wire. */
export class BotanuError extends Error {
  override readonly name = "BotanuError";
  readonly code: BotanuErrorCode;

  constructor(code: BotanuErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
