// The OTLP/HTTP receiver on loopback. https://opentelemetry.io/docs/specs/otlp/#otlphttp

import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { CommandError } from "./command-error.ts";
import { HttpRefusal } from "./http-refusal.ts";
import { type BodyFormat, IngestError, type IngestResult, type Ingestor, localIngestor } from "./ingest.ts";
import { CONTENT_TYPES, bodyFormat, exportResponse, statusBody } from "./otlp-reply.ts";
import { portHolder } from "./port-holder.ts";
import { PendingBytes, withBody } from "./request-body.ts";
import { checkHost, corsHeaders, isLoopbackAddress, preflightHeaders } from "./request-guard.ts";
import { RunStore } from "./run-store.ts";
import { IN_MEMORY } from "./sqlite.ts";
import type { StoreLimitOptions } from "./store-pruner.ts";
import { StoreThread } from "./store-thread.ts";

export interface ReceiverOptions {
  /** Default 4318, the port that OpenTelemetry SDKs send to; 0 takes a free one. */
  readonly port?: number | undefined;
  /** A loopback address. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** The store's file. Default `:memory:`. */
  readonly db?: string | undefined;
  readonly limits?: StoreLimitOptions | undefined;
  /** Bytes of one body, as sent and as unpacked. Default 20 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Bytes of all bodies that wait to be stored; beyond it senders are asked to wait. Default 64 MiB. */
  readonly maxPendingBytes?: number | undefined;
  /** Milliseconds that a request may take to arrive. Default 30,000. */
  readonly requestTimeoutMillis?: number | undefined;
  /** Stores the bodies instead of the receiver's own thread. */
  readonly ingestor?: Ingestor | undefined;
  /** Told of every stored batch. */
  readonly onBatch?: ((result: IngestResult) => void) | undefined;
  /** Told, once per text, what a person at the terminal should know. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

export interface Receiver {
  /** The base URL: what `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly url: string;
  readonly port: number;
  /** What was received, to be read. */
  readonly store: RunStore;
  /** Answers what was begun, stores it and closes the file. */
  close(): Promise<void>;
}

const TRACES = "/v1/traces";
/** Signals that are not stored, with the name of what a reply to them counts. */
const UNSTORED: Readonly<Record<string, string>> = { "/v1/logs": "LogRecords", "/v1/metrics": "DataPoints" };
const LINGER_MILLIS = 1000;
const CLOSE_MILLIS = 2000;

/**
 * Starts a receiver. A file store is written in a thread of its own; one in memory in this thread.
 *
 * @throws {CommandError} when the port is taken, the host is not loopback or the store cannot be opened
 */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { host = "127.0.0.1", db = IN_MEMORY, limits = {} } = options;
  if (!isLoopbackAddress(host)) {
    throw new CommandError(
      `${host} is not a loopback address`,
      "spans hold customer data: 127.0.0.1, ::1 or localhost",
    );
  }
  const thread = db === IN_MEMORY ? undefined : await StoreThread.start({ path: db, limits });
  const store = new RunStore({ path: db, readOnly: thread !== undefined, limits });
  const ingestor = options.ingestor ?? thread ?? localIngestor(store);
  const closeStore = async (): Promise<void> => {
    store.close();
    await ingestor.close();
    if (thread !== ingestor) await thread?.close();
  };
  const endpoint = new Endpoint(ingestor, options);
  const server = createHttpServer(endpoint, options.requestTimeoutMillis ?? 30_000);
  try {
    const port = await listen(server, options.port ?? 4318, host);
    const close = async (): Promise<void> => {
      await closeServer(server);
      await closeStore();
    };
    return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, port, store, close };
  } catch (error) {
    await closeStore();
    throw error;
  }
}

class Endpoint {
  readonly #ingestor: Ingestor;
  readonly #options: ReceiverOptions;
  readonly #maxBodyBytes: number;
  readonly #pending: PendingBytes;
  readonly #noticed: Set<string> = new Set();

  constructor(ingestor: Ingestor, options: ReceiverOptions) {
    this.#ingestor = ingestor;
    this.#options = options;
    this.#maxBodyBytes = options.maxBodyBytes ?? 20 * 2 ** 20;
    this.#pending = new PendingBytes(options.maxPendingBytes ?? 64 * 2 ** 20);
  }

  /** Answers a request; nothing that it holds makes this throw. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const format = bodyFormat(request.headers["content-type"]);
    try {
      checkHost(request, request.socket.localPort ?? 0);
      for (const [name, value] of Object.entries(corsHeaders(request))) response.setHeader(name, value);
      await this.#route(request, response, format);
    } catch (error) {
      if (request.destroyed && !request.complete) return;
      const refusal = error instanceof HttpRefusal ? error : new HttpRefusal(500, String(error));
      refuse(request, response, refusal, format ?? "json");
    }
  }

  /** Tells the person at the terminal, once. */
  notice(text: string): void {
    if (this.#noticed.has(text)) return;
    this.#noticed.add(text);
    this.#options.onNotice?.(text);
  }

  async #route(request: IncomingMessage, response: ServerResponse, format: BodyFormat | undefined): Promise<void> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const { method } = request;
    const counted = UNSTORED[path];
    if (path === "/" && (method === "GET" || method === "HEAD")) {
      const identity = { name: "botanu", receives: TRACES, pid: process.pid };
      send(response, 200, "json", Buffer.from(JSON.stringify(identity)));
    } else if (path !== TRACES && counted === undefined) throw unknownPath(path);
    else if (method === "OPTIONS" && request.headers.origin !== undefined) {
      response.writeHead(204, preflightHeaders(request)).end();
    } else if (method !== "POST") throw new HttpRefusal(405, `${path} takes POST, not ${method}`, { allow: "POST" });
    else if (format === undefined) throw this.#unknownType(request.headers["content-type"]);
    else if (counted === undefined) await this.#traces(request, response, format);
    else await this.#unstored(request, response, format, path, counted);
  }

  async #traces(request: IncomingMessage, response: ServerResponse, format: BodyFormat): Promise<void> {
    const result = await withBody(request, this.#maxBodyBytes, this.#pending, (body) => this.#store(format, body));
    if (result.rejected > 0)
      this.notice(`${result.rejected} spans were not valid and are not stored: ${result.reason}`);
    send(response, 200, format, exportResponse(format, result.rejected, result.reason, "Spans"));
    this.#options.onBatch?.(result);
  }

  async #store(format: BodyFormat, body: Buffer): Promise<IngestResult> {
    try {
      return await this.#ingestor.ingest(format, body);
    } catch (error) {
      if (!(error instanceof IngestError)) throw error;
      if (error.kind === "malformed") throw new HttpRefusal(400, error.message);
      if (error.kind === "oversized") throw new HttpRefusal(413, error.message);
      this.notice(error.message);
      throw new HttpRefusal(503, error.message, { "retry-after": "1" });
    }
  }

  /** Logs and metrics are taken and left: a refusal would fill the logs of every SDK. The first reply says so. */
  async #unstored(
    request: IncomingMessage,
    response: ServerResponse,
    format: BodyFormat,
    path: string,
    counted: string,
  ): Promise<void> {
    await withBody(request, this.#maxBodyBytes, this.#pending, async () => undefined);
    const signal = path.slice("/v1/".length);
    const text = `${signal} are received and not stored: set OTEL_${signal.toUpperCase()}_EXPORTER=none`;
    const first = !this.#noticed.has(text);
    this.notice(text);
    send(response, 200, format, exportResponse(format, 0, first ? text : "", counted));
  }

  #unknownType(contentType: string | undefined): HttpRefusal {
    if (contentType?.startsWith("application/grpc") === true) {
      this.notice("a sender speaks gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf there");
    }
    return new HttpRefusal(
      415,
      `the content type ${JSON.stringify(contentType ?? "")} is not read: application/json or application/x-protobuf`,
    );
  }
}

function unknownPath(path: string): HttpRefusal {
  const doubled = path.endsWith(TRACES) ? ": OTEL_EXPORTER_OTLP_ENDPOINT is the address without a path" : "";
  return new HttpRefusal(404, `nothing is at ${path}; traces go to ${TRACES}${doubled}`);
}

function send(response: ServerResponse, status: number, format: BodyFormat, body: Buffer): void {
  response.writeHead(status, { "content-type": CONTENT_TYPES[format], "content-length": body.length }).end(body);
}

/** Answers at once. What is still on its way is thrown away for a moment, so that the sender can read the answer. */
function refuse(request: IncomingMessage, response: ServerResponse, refusal: HttpRefusal, format: BodyFormat): void {
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
  if (!request.complete) {
    response.setHeader("connection", "close");
    const lingering = setTimeout(() => request.socket.destroy(), LINGER_MILLIS);
    request.socket.once("close", () => clearTimeout(lingering));
    request.resume();
  }
  send(response, refusal.status, format, statusBody(format, refusal.code, refusal.message));
}

/** A connection that does not speak HTTP/1.1, or not in time. */
function refuseConnection(
  error: NodeJS.ErrnoException & { rawPacket?: Buffer },
  socket: Socket,
  notice: (text: string) => void,
): void {
  if (error.rawPacket?.subarray(0, 3).toString() === "PRI") {
    notice("a sender speaks gRPC (HTTP/2): set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf there");
  }
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const late = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const status = late ? "408 Request Timeout" : "400 Bad Request";
  const message = late ? "the request took too long to arrive" : "not HTTP/1.1";
  const body = statusBody("json", new HttpRefusal(late ? 408 : 400, message).code, message);
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.toString()}`,
  );
}

function createHttpServer(endpoint: Endpoint, requestTimeout: number): Server {
  const server = createServer({
    requestTimeout,
    headersTimeout: Math.min(requestTimeout, 10_000),
    connectionsCheckingInterval: Math.min(requestTimeout, 1000),
    keepAliveTimeout: 30_000,
  });
  server.on("request", (request, response) => void endpoint.answer(request, response));
  server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    refuseConnection(error, socket as Socket, (text) => endpoint.notice(text));
  });
  return server;
}

/** @throws {CommandError} naming who holds the port, where it is taken */
async function listen(server: Server, port: number, host: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE")
      throw new CommandError(`cannot listen on ${host}:${port}: ${String(error)}`);
    const holder = await portHolder(port, host);
    throw new CommandError(
      `port ${port} is taken${holder === undefined ? "" : ` by ${holder}`}`,
      "take another with --port N, or a free one with --port 0",
    );
  }
  return (server.address() as AddressInfo).port;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const late = setTimeout(() => server.closeAllConnections(), CLOSE_MILLIS);
  await closed;
  clearTimeout(late);
}
