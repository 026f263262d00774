// Lambda's Runtime and Extensions API on loopback, as far as a runtime client and an extension inside its process use it.

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the platform tells of an invocation besides its event. */
export interface InvocationOptions {
  /** Until the platform ends it. Default 3,000 ms. */
  readonly timeoutMillis?: number | undefined;
  /** `Lambda-Runtime-Trace-Id`: `Root=…;Parent=…;Sampled=…`. */
  readonly traceId?: string | undefined;
  /** What a direct invocation sends as client context. */
  readonly clientContext?: unknown;
  readonly functionArn?: string | undefined;
}

/** How an invocation was answered. */
export interface InvocationAnswer {
  /** What the function returned; of a stream its text, of an HTTP stream what its prelude says, with the body. */
  readonly result?: unknown;
  /** As the runtime client posted it. */
  readonly error?: { readonly errorType: string; readonly errorMessage: string };
  /** From the handing over of the event until the answer was there, whole. */
  readonly responseMs: number;
  readonly requestId: string;
}

interface Pending {
  readonly id: string;
  readonly event: unknown;
  readonly options: InvocationOptions;
  readonly answered: (answer: InvocationAnswer) => void;
  started: number;
}

interface Extension {
  readonly events: readonly string[];
  /** Whether it has ever asked for an event: until it has, initialization is not over. */
  hasAsked: boolean;
  waiting?: ServerResponse | undefined;
  readonly queue: object[];
}

const ARN = "arn:aws:lambda:eu-central-1:123456789012:function:orders";
/** Between the prelude of an HTTP stream and its body. */
const PRELUDE_END = Buffer.alloc(8);

export class RuntimeApi {
  /** Why the function could not be initialized. */
  initError: InvocationAnswer["error"];
  readonly #server: Server;
  readonly #pending = new Map<string, Pending>();
  readonly #queue: Pending[] = [];
  readonly #extensions = new Map<string, Extension>();
  readonly #listeners = new Set<() => void>();
  /** Those who ask for an event: one, or as many as a process takes at once. */
  readonly #next = new Set<ServerResponse>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async listen(): Promise<RuntimeApi> {
    const api = new RuntimeApi();
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  /** Host and port, as `AWS_LAMBDA_RUNTIME_API` has them. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Names of the extensions that registered, with the events that they asked for. */
  get extensions(): ReadonlyArray<readonly string[]> {
    return Array.from(this.#extensions.values(), ({ events }) => events);
  }

  /** Whether the runtime and every extension wait for what comes next: then the platform freezes the environment. */
  get isIdle(): boolean {
    const waits = ({ waiting, events }: Extension): boolean => waiting !== undefined || events.length === 0;
    return this.#next.size > 0 && this.#pending.size === 0 && [...this.#extensions.values()].every(waits);
  }

  /** Resolves when a condition holds; looked at whenever something happened. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Looks at conditions again, after something that this server does not see. */
  readonly changed = (): void => {
    for (const listener of this.#listeners) listener();
  };

  /** Hands an event over as soon as the runtime asks for one. */
  invoke(event: unknown, options: InvocationOptions = {}): Promise<InvocationAnswer> {
    return new Promise((answered) => {
      const pending: Pending = { id: randomUUID(), event, options, answered, started: performance.now() };
      this.#pending.set(pending.id, pending);
      this.#queue.push(pending);
      this.#deliver();
    });
  }

  /** Fails what is under way: the environment is gone. */
  fail(error: { readonly errorType: string; readonly errorMessage: string }): void {
    for (const { id } of this.#pending.values()) this.#answer(id, { error });
    this.#queue.length = 0;
    this.#next.clear();
    this.#extensions.clear();
    this.changed();
  }

  /** Tells extensions that asked for it that the environment ends. */
  sendShutdown(reason = "spindown"): void {
    this.#send("SHUTDOWN", { eventType: "SHUTDOWN", shutdownReason: reason, deadlineMs: Date.now() + 500 });
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    const [, id = "", what] = /\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    if (path.endsWith("/runtime/invocation/next")) {
      this.#next.add(response);
      response.on("close", () => this.#next.delete(response));
      this.#deliver();
    } else if (what) {
      const body = await read(request);
      this.#answer(id, what === "error" ? { error: JSON.parse(body.toString()) as never } : resultOf(request, body));
      response.writeHead(202).end('{"status":"OK"}');
    } else if (path.endsWith("/runtime/init/error")) {
      this.initError = JSON.parse((await read(request)).toString()) as never;
      response.writeHead(202).end();
    } else if (path.endsWith("/extension/register")) {
      const { events = [] } = JSON.parse((await read(request)).toString() || "{}") as { events?: string[] };
      const identifier = randomUUID();
      this.#extensions.set(identifier, { events, queue: [], hasAsked: false });
      response.writeHead(200, { "lambda-extension-identifier": identifier, "content-type": "application/json" });
      response.end('{"functionName":"orders","functionVersion":"$LATEST","handler":"index.handler"}');
    } else if (path.endsWith("/extension/event/next")) {
      const extension = this.#extensions.get(String(request.headers["lambda-extension-identifier"]));
      if (!extension) return void response.writeHead(403).end();
      extension.waiting = response;
      extension.hasAsked = true;
      response.on("close", () => {
        if (extension.waiting === response) extension.waiting = undefined;
      });
      flushQueue(extension);
      this.#deliver();
    } else response.writeHead(404).end();
    this.changed();
  }

  #deliver(): void {
    if (![...this.#extensions.values()].every(({ hasAsked }) => hasAsked)) return;
    const [response] = this.#next;
    const pending = response && this.#queue.shift();
    if (!response || !pending) return;
    this.#next.delete(response);
    const { id, event, options } = pending;
    const { timeoutMillis = 3000, traceId, clientContext, functionArn = ARN } = options;
    const deadlineMs = Date.now() + timeoutMillis;
    pending.started = performance.now();
    response.writeHead(200, {
      "content-type": "application/json",
      "lambda-runtime-aws-request-id": id,
      "lambda-runtime-deadline-ms": deadlineMs,
      "lambda-runtime-invoked-function-arn": functionArn,
      ...(traceId && { "lambda-runtime-trace-id": traceId }),
      ...(clientContext !== undefined && { "lambda-runtime-client-context": JSON.stringify(clientContext) }),
    });
    response.end(JSON.stringify(event ?? null));
    this.#send("INVOKE", { eventType: "INVOKE", deadlineMs, requestId: id, invokedFunctionArn: functionArn });
  }

  #send(type: string, event: object): void {
    for (const extension of this.#extensions.values()) {
      if (!extension.events.includes(type)) continue;
      extension.queue.push(event);
      flushQueue(extension);
    }
  }

  #answer(id: string, answer: Pick<InvocationAnswer, "result" | "error">): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    pending.answered({ ...answer, responseMs: performance.now() - pending.started, requestId: id });
  }
}

function flushQueue(extension: Extension): void {
  const { waiting } = extension;
  const event = waiting && extension.queue.shift();
  if (!event) return;
  extension.waiting = undefined;
  waiting.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(event));
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Reads a posted answer, whose errors in mid-stream stand in trailers. */
function resultOf(request: IncomingMessage, body: Buffer): Pick<InvocationAnswer, "result" | "error"> {
  const { headers, trailers } = request;
  const type = trailers["lambda-runtime-function-error-type"];
  const failed = type && {
    error: JSON.parse(
      Buffer.from(String(trailers["lambda-runtime-function-error-body"]), "base64").toString(),
    ) as never,
  };
  if (headers["lambda-runtime-function-response-mode"] !== "streaming") {
    return { result: body.length > 0 ? JSON.parse(body.toString()) : null, ...failed };
  }
  const end = body.indexOf(PRELUDE_END);
  if (!/http-integration-response/.test(String(headers["content-type"])) || end < 0) {
    return { result: body.toString(), ...failed };
  }
  const prelude = JSON.parse(body.subarray(0, end).toString()) as object;
  return { result: { ...prelude, body: body.subarray(end + PRELUDE_END.length).toString() }, ...failed };
}
