/**
 * Reads a body up to `limit` bytes and never leaves it open. `undefined`: it was larger. A body that breaks off, or is still
 * dripping when `expired` resolves, yields what had come: the status has been received and stands.
 */
export async function readBody(
  response: Response,
  limit: number,
  expired: Promise<undefined>,
): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    while (reader) {
      const part = await Promise.race([reader.read(), expired]);
      if (!part?.value) break;
      size += part.value.length;
      if (size > limit) return undefined;
      chunks.push(part.value);
    }
  } catch {
    // The status decides; what came of the body is only for the report.
  } finally {
    reader?.cancel().catch(() => {});
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * Milliseconds to wait, from digits or an HTTP-date; a date in the past is 0. Anything else is `undefined`: date parsers accept
 * nearly every text, so the form is checked first.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  if (!/^[A-Z][a-z]{2,8},? .*\d:\d\d/.test(value)) return undefined;
  const millis = Date.parse(value.endsWith("GMT") ? value : `${value} GMT`) - now;
  return millis === millis ? Math.max(0, millis) : undefined;
}

/** The whole result as bytes, so that its length is known and it can be sent again. */
export async function gzip(body: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
