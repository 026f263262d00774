// Reading a request body within bounds: of what arrives, of what it unpacks to, and of what waits in memory altogether.

import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate, inflateRaw } from "node:zlib";

import { HttpRefusal } from "./http-refusal.ts";

/** The bytes of requests that are being read or wait to be stored. */
export class PendingBytes {
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws {HttpRefusal} with 429 when too much waits already */
  add(bytes: number): void {
    if (this.#bytes + bytes > this.#limit) {
      throw new HttpRefusal(429, "too much is waiting to be stored: send it again in a second", { "retry-after": "1" });
    }
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
  }
}

type Unpack = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const unpackers: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: (body, options) => ((body[0] ?? 0) % 16 === 8 ? zlibInflate(body, options) : rawInflate(body, options)),
};
const zlibInflate: Unpack = promisify(inflate);
const rawInflate: Unpack = promisify(inflateRaw);

/**
 * Reads and unpacks a body, hands it to `use`, and keeps its bytes counted as pending until that is done.
 *
 * @throws {HttpRefusal} 413 over `maxBytes`, packed or unpacked; 415 for an unknown encoding; 400 for a damaged one
 */
export async function withBody<T>(
  request: IncomingMessage,
  maxBytes: number,
  pending: PendingBytes,
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
  const encoding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  const unpack = unpackers[encoding];
  if (unpack === undefined && encoding !== "identity" && encoding !== "") {
    throw new HttpRefusal(
      415,
      `the content encoding ${JSON.stringify(encoding)} is not read: use gzip, deflate or none`,
    );
  }
  let held = 0;
  const hold = (bytes: number): void => {
    pending.add(bytes);
    held += bytes;
  };
  try {
    const packed = await readAll(request, maxBytes, hold);
    if (unpack === undefined) return await use(packed);
    const body = await unpacked(unpack, packed, maxBytes);
    hold(body.length);
    return await use(body);
  } finally {
    pending.remove(held);
  }
}

/** Reads by events, not by iteration: leaving an iteration ends the connection, and with it the answer. */
function readAll(request: IncomingMessage, maxBytes: number, hold: (bytes: number) => void): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw oversized(maxBytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (error: Error): void => {
      request.off("data", take);
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > maxBytes) return fail(oversized(maxBytes));
      try {
        hold(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
    };
    request.on("data", take);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", fail);
    request.once("close", () => fail(new Error("the sender broke off")));
  });
}

async function unpacked(unpack: Unpack, packed: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await unpack(packed, { maxOutputLength: maxBytes });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE") throw oversized(maxBytes);
    throw new HttpRefusal(400, "the body is not compressed as its content-encoding says, or was cut off");
  }
}

function oversized(maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, `the body is larger than ${maxBytes} bytes: send smaller batches`);
}
