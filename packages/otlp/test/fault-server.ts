import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** What one request carried. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** After decompression. */
  readonly body: Buffer;
}

/** What the server does to one request. */
export type Fault = (response: ServerResponse, received: Received) => void;

export interface FaultServer {
  readonly url: string;
  readonly received: readonly Received[];
  /** The names of the spans of every JSON request, request by request. */
  spanNames(): string[][];
  close(): Promise<void>;
}

export function answer(status: number, headers: Record<string, string> = {}, body: string | Uint8Array = ""): Fault {
  return (response) => void response.writeHead(status, headers).end(body);
}

export function resetBeforeHeaders(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

export function resetAfterHeaders(status: number): Fault {
  return (response) => {
    response.writeHead(status, { "content-length": "100" });
    response.write("{", () => response.socket?.resetAndDestroy());
  };
}

export function hang(): void {}

/** Sends headers at once and then a byte now and again, without end. */
export function drip(status: number): Fault {
  return (response) => {
    response.writeHead(status);
    const timer = setInterval(() => response.write(" "), 5);
    response.on("close", () => clearInterval(timer));
  };
}

/** A receiver on loopback that does to its n-th request what the n-th fault says; after the last one it answers 200. */
export async function startFaultServer(...faults: readonly Fault[]): Promise<FaultServer> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const raw = Buffer.concat(chunks);
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
      const entry = { path: request.url ?? "", headers: request.headers, body };
      received.push(entry);
      (faults[received.length - 1] ?? answer(200, { "content-type": "application/json" }, "{}"))(response, entry);
    });
  });
  await listen(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    received,
    spanNames: () => received.map(({ body }) => spanNamesOf(body)),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}

export function spanNamesOf(body: Buffer): string[] {
  const request = JSON.parse(body.toString()) as { resourceSpans: { scopeSpans: { spans: { name: string }[] }[] }[] };
  return request.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)),
  );
}
