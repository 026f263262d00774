import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach } from "vitest";

/** A span as a receiver reads it from OTLP/JSON. */
export interface SentSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly attributes: Record<string, unknown>;
  readonly resource: Record<string, unknown>;
  readonly status: { code?: number; message?: string };
  readonly events: ReadonlyArray<{ name: string; attributes: Record<string, unknown> }>;
  readonly links: ReadonlyArray<{ traceId: string; spanId: string }>;
  readonly millis: number;
}

/** A receiver of spans on this machine. Each test has a URL of its own, so that late spans of others do not count. */
export interface Collector {
  url: string;
  spans: SentSpan[];
  posts: number;
  /** The spans, once there are `count` of them; fails after five seconds. */
  received(count: number): Promise<SentSpan[]>;
}

/** A server that is called by what is tested. */
export interface Upstream {
  url: string;
  requests: Array<{ path: string; headers: IncomingHttpHeaders }>;
}

/** Kinds as OTLP numbers them. */
export const KIND = { INTERNAL: 1, SERVER: 2, CLIENT: 3, PRODUCER: 4, CONSUMER: 5 } as const;

export const RUN_ID = "0192f0c1-2345-7abc-8def-0123456789ab";
export const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

/** What a caller sends along that has a run. */
export const CALLER: Readonly<Record<string, string>> = {
  traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`,
  baggage: `botanu.run_id=${RUN_ID},botanu.workflow=intake,botanu.customer_id=acme,team=blue`,
};

export function serveCollector(): Collector {
  let origin = "";
  let tests = 0;
  const waiting = new Set<() => void>();
  const collector: Collector = {
    url: "",
    spans: [],
    posts: 0,
    received(count) {
      return new Promise((resolve, reject) => {
        const check = (): void => {
          if (collector.spans.length < count) return;
          waiting.delete(check);
          clearTimeout(timer);
          resolve(collector.spans);
        };
        const timer = setTimeout(() => {
          waiting.delete(check);
          const names = collector.spans.map(({ name }) => name).join(", ");
          reject(new Error(`${collector.spans.length} of ${count} spans came: ${names}`));
        }, 5000);
        waiting.add(check);
        check();
      });
    },
  };
  serve(
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const bytes = Buffer.concat(chunks);
        response.setHeader("content-type", "application/json").end("{}");
        if (!collector.url.endsWith(request.url ?? "")) return;
        collector.posts += 1;
        collector.spans.push(
          ...decode((request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes).toString()),
        );
        for (const check of waiting) check();
      });
    },
    (url) => (origin = url),
  );
  beforeEach(() => {
    collector.url = `${origin}/${(tests += 1)}/v1/traces`;
    collector.spans = [];
    collector.posts = 0;
  });
  return collector;
}

export function serveUpstream(): Upstream {
  const upstream: Upstream = { url: "", requests: [] };
  serve(
    (request, response) => {
      upstream.requests.push({ path: request.url ?? "", headers: request.headers });
      response.setHeader("content-type", "application/json").end('{"up":true}');
    },
    (url) => (upstream.url = url),
  );
  beforeEach(() => {
    upstream.requests = [];
  });
  return upstream;
}

/** Serves on a free port of the loopback while a file's tests run. */
function serve(listener: RequestListener, ready: (url: string) => void): void {
  let server: Server;
  beforeAll(async () => {
    server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterAll(() => server.close().closeAllConnections());
}

interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

type OtlpAttributes = ReadonlyArray<{ key: string; value: OtlpValue }> | undefined;

interface OtlpSpan extends Omit<SentSpan, "attributes" | "events" | "resource" | "millis"> {
  readonly attributes?: OtlpAttributes;
  readonly events?: ReadonlyArray<{ name: string; attributes?: OtlpAttributes }>;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface OtlpRequest {
  readonly resourceSpans: ReadonlyArray<{
    resource?: { attributes?: OtlpAttributes };
    scopeSpans: ReadonlyArray<{ spans: readonly OtlpSpan[] }>;
  }>;
}

function decode(text: string): SentSpan[] {
  const { resourceSpans } = JSON.parse(text) as OtlpRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        ...span,
        parentSpanId: span.parentSpanId ?? "",
        status: span.status?.code ? span.status : {},
        links: span.links ?? [],
        attributes: record(span.attributes),
        resource: record(resource?.attributes),
        events: (span.events ?? []).map((event) => ({ name: event.name, attributes: record(event.attributes) })),
        millis: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
      })),
    ),
  );
}

function record(attributes: OtlpAttributes): Record<string, unknown> {
  return Object.fromEntries(
    (attributes ?? []).map(({ key, value }) => [
      key,
      value.stringValue ??
        value.boolValue ??
        value.doubleValue ??
        (value.intValue === undefined ? value : Number(value.intValue)),
    ]),
  );
}

/** The one span of a name; fails where there are none or several. */
export function only(spans: readonly SentSpan[], name: string): SentSpan {
  const found = spans.filter((span) => span.name === name);
  if (found.length !== 1 || !found[0])
    throw new Error(`${found.length} spans ${name} in ${spans.map((span) => span.name).join(", ")}`);
  return found[0];
}
