// The host's own HTTP client. The runtime client has loaded it before any handler, while the first use of `fetch`, or an import of
// `node:http` as a module, costs more time than all of this package.

type Http = typeof import("node:http");

/** A built-in module, without what importing it as a module would load. */
export function nodeHttp(name: "http" | "https"): Http {
  return process.getBuiltinModule(`node:${name}`) as Http;
}

const unwritten = new Set<Promise<void>>();

/** Resolves when every request that was begun has been handed to the system, which delivers it though this process be stopped. */
export async function allWritten(): Promise<void> {
  while (unwritten.size > 0) await Promise.all(unwritten);
}

/** As much of `fetch` as the exporter needs. */
export const httpFetch: typeof fetch = (input, init = {}) =>
  new Promise((resolve, reject) => {
    const url = input as URL;
    const { method = "GET", headers, body, signal } = init;
    const options = { method, headers: headers as Record<string, string>, ...(signal && { signal }) };
    const outgoing = nodeHttp(url.protocol === "https:" ? "https" : "http").request(url, options, (incoming) => {
      const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const reader = {
        read: async () => chunks.next(),
        cancel: async () => void incoming.destroy(),
      };
      resolve({
        status: incoming.statusCode ?? 0,
        headers: { get: (name: string) => incoming.headers[name]?.toString() ?? null },
        body: { getReader: () => reader },
      } as unknown as Response);
    });
    outgoing.on("error", reject);
    const written = new Promise<void>((done) => outgoing.once("finish", done).once("close", done)).finally(() =>
      unwritten.delete(written),
    );
    unwritten.add(written);
    outgoing.end(body as Uint8Array);
  });
