import type { Limit } from "./post.ts";

/**
 * The body of an answer; `undefined` when it is larger than `max` bytes, counted as they come, since a stated length can lie and
 * decompression makes more of them. A body that breaks off is an empty one, and what came within the time limit is all: the status has
 * been received and stands.
 */
export async function readBody({ body }: Response, max: number, limit: Limit): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body?.getReader();
  const stop = (limit.stop = () => void reader?.cancel().catch(() => {}));
  try {
    for (let part; (part = (await reader?.read())?.value); chunks.push(part)) {
      if ((size += part.length) > max) return undefined;
    }
  } catch {
    return new Uint8Array();
  } finally {
    stop();
    limit.stop = undefined;
  }
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(size);
  for (const chunk of chunks.reverse()) bytes.set(chunk, (size -= chunk.length));
  return bytes;
}

/** Compressed bytes rather than a stream, so that their number is known and they can be sent again; undefined when there are more. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  const compressed = new Uint8Array(await new Response(stream).arrayBuffer());
  return compressed.length < bytes.length ? compressed : undefined;
}
