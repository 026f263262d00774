import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { Miniflare } from "miniflare";

export interface Delivery {
  /** Requests all of whose spans arrived. */
  readonly complete: number;
  readonly postsPerRequest: number;
  readonly runIdShare: number;
}

const QUIET_MILLIS = 700;
const GIVE_UP_MILLIS = 15_000;
const RUN_ID = "botanu.run_id";

interface SinkSpan {
  readonly traceId: string;
  readonly attributes?: readonly { readonly key: string }[];
}

/** Sends `count` requests at once to a Worker in real workerd and reads at a loopback sink what of their spans arrives. */
export async function deliver(script: string, count: number): Promise<Delivery> {
  const spans: SinkSpan[] = [];
  const state = { posts: 0, last: Date.now() };
  const sink = await listen(async (request) => {
    const body = await buffer(request);
    state.posts++;
    state.last = Date.now();
    const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    spans.push(...spansOf(JSON.parse(text.toString())));
    return "{}";
  });
  const upstream = await listen(async () => "ok");
  const worker = new Miniflare({
    modules: true,
    script,
    compatibilityDate: "2026-04-01",
    compatibilityFlags: ["nodejs_compat"],
    bindings: { UPSTREAM: url(upstream, "/"), SINK: url(sink, "/v1/traces") },
  });
  try {
    const base = await worker.ready;
    const expected = await spansOfOneRequest(base, spans, state);
    spans.length = 0;
    state.posts = 0;
    const traceIds = Array.from({ length: count }, () => crypto.randomUUID().replaceAll("-", ""));
    await Promise.all(traceIds.map((traceId) => call(base, traceId)));
    await quiet(state);
    const arrived = Map.groupBy(spans, (span) => span.traceId);
    return {
      complete: traceIds.filter((traceId) => (arrived.get(traceId)?.length ?? 0) >= expected).length,
      postsPerRequest: state.posts / count,
      runIdShare:
        spans.filter((span) => span.attributes?.some(({ key }) => key === RUN_ID)).length / Math.max(1, spans.length),
    };
  } finally {
    await worker.dispose();
    for (const server of [sink, upstream]) server.close().closeAllConnections();
  }
}

async function spansOfOneRequest(base: URL, spans: readonly SinkSpan[], state: { last: number }): Promise<number> {
  await call(base, crypto.randomUUID().replaceAll("-", ""));
  await quiet(state);
  return spans.length;
}

async function call(base: URL, traceId: string): Promise<void> {
  const response = await fetch(base, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  await response.text();
}

/** Waits until nothing has arrived for a while, so that a late export counts. */
async function quiet(state: { last: number }): Promise<void> {
  const started = Date.now();
  state.last = Date.now();
  while (Date.now() - state.last < QUIET_MILLIS && Date.now() - started < GIVE_UP_MILLIS) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function spansOf(request: { resourceSpans?: { scopeSpans?: { spans?: SinkSpan[] }[] }[] }): SinkSpan[] {
  return (request.resourceSpans ?? []).flatMap(({ scopeSpans }) =>
    (scopeSpans ?? []).flatMap(({ spans }) => spans ?? []),
  );
}

async function listen(answer: (request: IncomingMessage) => Promise<string>): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request).then(
      (body) => response.writeHead(200, { "content-type": "application/json" }).end(body),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function url(server: Server, path: string): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
}
