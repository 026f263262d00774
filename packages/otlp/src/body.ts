/**
 * Reads a stream up to `limit` bytes and never leaves it open. `undefined`: there was more. When `expired` resolves, what has come
 * so far is all.
 */
async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  limit: number,
  expired?: Promise<undefined>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const reader = stream.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for (;;) {
      const read = reader.read();
      const part = await (expired ? Promise.race([read, expired]) : read);
      if (!part?.value) break;
      size += part.value.length;
      if (size > limit) return undefined;
      chunks.push(part.value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * The body of an answer; `undefined` when it is larger than `limit` bytes, counted as they come, since a stated length can lie and
 * decompression makes more of them. A body that breaks off is an empty one: the status has been received and stands.
 */
export async function readBody(
  { body }: Response,
  limit: number,
  expired: Promise<undefined>,
): Promise<Uint8Array | undefined> {
  try {
    return body ? await collect(body, limit, expired) : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

/** Compressed bytes rather than a stream, so that their number is known and they can be sent again. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { readable, writable } = new CompressionStream("gzip");
  const writer = writable.getWriter();
  const written = Promise.all([writer.write(bytes), writer.close()]);
  const [compressed] = await Promise.all([collect(readable, bytes.length), written]);
  return compressed;
}
