import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach } from "vitest";

/** A request as a server saw it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/**
 * Two origins of this machine. The path says what they answer: `/status/<code>?location=…` that status and location, `?left=<n>` as
 * many redirects, anything else 200.
 */
export interface Loopback {
  received: Received[];
  first: string;
  second: string;
  /** Sends what goes to `*.example` to the second origin: what leaves the process is real, only the address is not. */
  readonly send: typeof fetch;
}

/** The propagation headers of a request. */
export function carried(request: Received | undefined): string[] {
  return ["traceparent", "tracestate", "baggage"].filter((name) => request?.headers[name] !== undefined);
}

/** Serves while a file's tests run, and forgets what was received before each of them. */
export function serveLoopback(): Loopback {
  const servers: Server[] = [];
  const loopback: Loopback = {
    received: [],
    first: "",
    second: "",
    send: (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (!url.hostname.endsWith(".example")) return fetch(input, init);
      return fetch(loopback.second + url.pathname + url.search, init);
    },
  };
  beforeAll(async () => {
    [loopback.first, loopback.second] = [await serve(loopback, servers, "one"), await serve(loopback, servers, "two")];
  });
  beforeEach(() => {
    loopback.received = [];
  });
  afterAll(() => {
    for (const server of servers) server.close().closeAllConnections();
  });
  return loopback;
}

function serve(loopback: Loopback, servers: Server[], name: string): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "/", headers } = request;
      loopback.received.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() });
      const { status, location } = answerTo(url);
      response.writeHead(status, location === null ? {} : { location: Buffer.from(location).toString("latin1") });
      response.end(status === 304 ? undefined : `${name} ${method}`);
    });
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

function answerTo(path: string): { status: number; location: string | null } {
  const { pathname, searchParams } = new URL(path, "http://server");
  const left = Number(searchParams.get("left"));
  if (left) return { status: 302, location: `${pathname}?left=${left - 1}` };
  return { status: Number(/^\/status\/(\d+)/.exec(pathname)?.[1] ?? 200), location: searchParams.get("location") };
}
