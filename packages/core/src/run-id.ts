const UUID = /^[\da-f]{8}-[\da-f]{4}-[1-8][\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i;

/**
 * A new run id: a UUID of version 7, so that ids sort by the time of their run. Its random part comes from Web Crypto.
 *
 * @param now Unix time in milliseconds.
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.7
 */
export function createRunId(now: number = Date.now()): string {
  const time = Math.trunc(now).toString(16).padStart(12, "0");
  // The random bits and the variant of version 4 stand where version 7 has them.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

/**
 * The run id that a text holds: any UUID of RFC 9562 with a version, folded to lower case, else undefined.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-4
 */
export function parseRunId(text: unknown): string | undefined {
  return typeof text === "string" && UUID.test(text) ? text.toLowerCase() : undefined;
}
