import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Headers that a strict gateway does not know and therefore drops. */
const DROPPED = ["baggage", "tracestate"];

export interface Gateway {
  readonly url: string;
  stop(): void;
}

/** Stands between two services as a gateway does that forwards only the headers it knows: `traceparent` passes, baggage does not. */
export async function startGateway(upstream: string): Promise<Gateway> {
  const target = new URL(upstream);
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host: target.host };
    for (const name of DROPPED) delete (headers as Record<string, unknown>)[name];
    const forwarded = request(
      { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(forwarded);
  });
  await listen(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => server.close().closeAllConnections(),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}
