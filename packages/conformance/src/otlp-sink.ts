import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** A span as it stood in an OTLP/JSON body. */
export interface SunkSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: number; readonly message?: string };
  /** Attributes of the resource that the span came with. */
  readonly resource: Readonly<Record<string, unknown>>;
}

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Body {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<SunkSpan, "attributes" | "resource"> & {
        readonly attributes?: readonly KeyValue[];
      })[];
    }[];
  }[];
}

/** An OTLP/HTTP receiver on loopback that takes JSON and keeps what it gets. */
export class OtlpSink {
  /** Every span, in the order of arrival. */
  readonly spans: SunkSpan[] = [];
  /** How many bodies were taken. */
  requests = 0;
  /** Why other bodies were not. */
  readonly refused: string[] = [];
  readonly #server: Server;
  readonly #looking = new Set<() => void>();
  #open = 0;
  #failing = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param delayMillis how long each answer takes; what was sent counts as arrived before it */
  static async listen(delayMillis = 0): Promise<OtlpSink> {
    const server = createServer((request, response) => {
      if (request.method === "GET") return void response.end();
      sink.#open += 1;
      response.on("close", () => {
        sink.#open -= 1;
        if (sink.#open === 0) for (const resolve of sink.#waiting) resolve();
      });
      readBody(request)
        .then(async (body) => {
          if (sink.#failing > 0) {
            sink.#failing -= 1;
            return void response.writeHead(503).end();
          }
          sink.#take(body);
          if (delayMillis > 0) await new Promise((resolve) => setTimeout(resolve, delayMillis));
          response.writeHead(200, { "content-type": "application/json" }).end("{}");
        })
        .catch((error: unknown) => {
          sink.refused.push(String(error));
          response.writeHead(400).end();
        });
    });
    const sink = new OtlpSink(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return sink;
  }

  /** Base URL, as exporters take it. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers the next requests with 503, and takes nothing of them. */
  failNext(requests: number): void {
    this.#failing = requests;
  }

  /** Resolves when a condition holds; looked at with every body that is taken. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#looking.delete(look);
        resolve();
      };
      this.#looking.add(look);
      look();
    });
  }

  /** Resolves when every request that was sent so far is answered. */
  async settled(): Promise<void> {
    // What another process has written may not have been read: a round trip or two come behind it.
    for (let round = 0; round < 2; round++) await (await fetch(this.endpoint)).text();
    if (this.#open === 0) return;
    let done = (): void => {};
    await new Promise<void>((resolve) => this.#waiting.add((done = resolve)));
    this.#waiting.delete(done);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #take(body: Body): void {
    this.requests += 1;
    for (const { resource, scopeSpans } of body.resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          ...span,
          events: span.events ?? [],
          attributes: toRecord(span.attributes),
          resource: toRecord(resource.attributes),
        });
      }
    }
    for (const look of this.#looking) look();
  }
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
  return JSON.parse(text.toString("utf8")) as Body;
}

function toRecord(attributes: readonly KeyValue[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
