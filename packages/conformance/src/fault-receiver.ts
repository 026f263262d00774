// An OTLP receiver on loopback that does what the path asks for, so that a suite in any runtime can put an exporter to it: POST
// `/<name>/<plan>` gets the plan's answers one after the other, GET `/<name>` tells what came.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** What one request carried. */
export interface Arrived {
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The names of its spans, if it was JSON. */
  readonly spans: readonly string[];
}

export interface FaultReceiver {
  /** Without a path. */
  readonly url: string;
  close(): Promise<void>;
}

/** What a plan is made of, besides status codes. Its words are separated by commas; after the last one everything is 200. */
const FAULTS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  reset: (response) => void response.socket?.resetAndDestroy(),
  hang: () => undefined,
  cut: (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => response.socket?.resetAndDestroy());
  },
  drip: (response) => drip(response, 200),
  "drip-503": (response) => drip(response, 503),
  later: (response) => void response.writeHead(429, { "retry-after": "3" }).end(),
  away: (response) => void response.writeHead(307, { location: "/elsewhere/200" }).end(),
  partial: (response) =>
    void response
      .writeHead(200, { "content-type": "application/json" })
      .end('{"partialSuccess":{"rejectedSpans":"2","errorMessage":"quota"}}'),
  flood: (response) => void response.writeHead(200).end("x".repeat(5 << 20)),
};

function drip(response: ServerResponse, status: number): void {
  response.writeHead(status);
  const timer = setInterval(() => response.write(" "), 5);
  response.on("close", () => clearInterval(timer));
}

export async function startFaultReceiver(): Promise<FaultReceiver> {
  const arrived = new Map<string, Arrived[]>();
  const server = createServer((request, response) => {
    const [, name = "", plan = ""] = (request.url ?? "").split("/");
    const known = arrived.get(name) ?? [];
    arrived.set(name, known);
    if (request.method === "GET") return void response.end(JSON.stringify(known));
    read(request).then(
      (body) => {
        known.push({ headers: { ...request.headers } as Arrived["headers"], spans: spanNames(body) });
        answer(response, plan.split(",")[known.length - 1] ?? "200", spanNames(body).length);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function answer(response: ServerResponse, word: string, spans: number): void {
  const most = /^most-(\d+)$/.exec(word)?.[1];
  if (most !== undefined) return void response.writeHead(spans > Number(most) ? 413 : 200).end("{}");
  const fault = FAULTS[word];
  if (fault) fault(response);
  else response.writeHead(Number(word), { "content-type": "application/json" }).end("{}");
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
}

function spanNames(body: Buffer): string[] {
  if (body[0] !== 0x7b) return [];
  const { resourceSpans } = JSON.parse(body.toString()) as {
    resourceSpans: { scopeSpans: { spans: { name: string }[] }[] }[];
  };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)));
}
