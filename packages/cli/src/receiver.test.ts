import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, type RequestOptions, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { IngestError, type Ingestor } from "./ingest.ts";
import { type Receiver, type ReceiverOptions, startReceiver } from "./receiver.ts";
import { RUN, otlpJson, traceId } from "./span.fixture.ts";
import { StoreThread } from "./store-thread.ts";
import { decodeMessage, encodeRequest } from "./trace-proto.fixture.ts";

const JSON_TYPE = { "content-type": "application/json" };
const PROTOBUF_TYPE = { "content-type": "application/x-protobuf" };
const spans = otlpJson({ id: 1, run: RUN, kind: "server" }, { id: 2, parent: 1, service: "orders" });
const text = JSON.stringify(spans);

let folder: string;
const open: { close(): Promise<void> }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "botanu-receiver-"));
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: ReceiverOptions = {}): Promise<Receiver> {
  const receiver = await startReceiver({ port: 0, ...options });
  open.push(receiver);
  return receiver;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A request with exactly these headers: `fetch` would not let a Host through. */
function send(
  { port }: Receiver,
  body: string | Uint8Array,
  headers: Record<string, string> = JSON_TYPE,
  options: RequestOptions = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { port, host: "127.0.0.1", path: "/v1/traces", method: "POST", headers, ...options },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function status(reply: Reply): { code: number; message: string } {
  return JSON.parse(reply.body.toString()) as { code: number; message: string };
}

describe("what is stored", () => {
  const binary = encodeRequest(spans);

  it.each<[string, Uint8Array, Record<string, string>]>([
    ["JSON", Buffer.from(text), JSON_TYPE],
    ["JSON with a charset", Buffer.from(text), { "content-type": "Application/JSON; charset=utf-8" }],
    ["JSON in gzip", gzipSync(text), { ...JSON_TYPE, "content-encoding": "gzip" }],
    ["JSON in deflate", deflateSync(text), { ...JSON_TYPE, "content-encoding": "deflate" }],
    ["JSON in raw deflate", deflateRawSync(text), { ...JSON_TYPE, "content-encoding": "deflate" }],
    ["protobuf", binary, PROTOBUF_TYPE],
    ["protobuf by its other name", binary, { "content-type": "application/protobuf" }],
    ["protobuf in gzip", gzipSync(binary), { ...PROTOBUF_TYPE, "content-encoding": "gzip" }],
    ["protobuf in deflate", deflateSync(binary), { ...PROTOBUF_TYPE, "content-encoding": "deflate" }],
    ["a chunked body", Buffer.from(text), { ...JSON_TYPE, "transfer-encoding": "chunked" }],
    ["an identity encoding", Buffer.from(text), { ...JSON_TYPE, "content-encoding": "identity" }],
  ])("is the same from %s, answered in its own type", async (_title, body, headers) => {
    const receiver = await start();
    const reply = await send(receiver, body, headers);
    const json = headers["content-type"]?.toLowerCase().startsWith("application/json") === true;
    expect(reply.status).toBe(200);
    expect(reply.headers["content-type"]).toBe(json ? "application/json" : "application/x-protobuf");
    expect(reply.body.toString()).toBe(json ? "{}" : "");
    const stored = receiver.store
      .getRun(RUN)
      ?.spans.map(({ name, runId, service, kind }) => [name, runId, service, kind]);
    expect(stored).toEqual([
      ["span 1", RUN, "edge", 2],
      ["span 2", undefined, "orders", 1],
    ]);
  });

  it("is what is valid; the rest is counted in the reply", async () => {
    const mixed = otlpJson({ id: 1, run: RUN });
    mixed.resourceSpans.push({ scopeSpans: [{ spans: [{ traceId: traceId(1), spanId: "xyz" }] }] });
    const notices: string[] = [];
    const receiver = await start({ onNotice: (notice) => notices.push(notice) });
    const json = await send(receiver, JSON.stringify(mixed));
    expect(json.status).toBe(200);
    const partialSuccess = { rejectedSpans: "1", errorMessage: "a span id is not 16 hex digits" };
    expect(JSON.parse(json.body.toString())).toEqual({ partialSuccess });
    const protobuf = await send(receiver, encodeRequest(mixed), PROTOBUF_TYPE);
    expect(decodeMessage("Response", protobuf.body)).toEqual({ partialSuccess });
    expect(receiver.store.stats().spans).toBe(1);
    expect(notices).toEqual(["1 spans were not valid and are not stored: a span id is not 16 hex digits"]);
  });

  it("is told batch by batch", async () => {
    const batches: number[] = [];
    const receiver = await start({ onBatch: (result) => batches.push(result.accepted, result.duplicates) });
    await send(receiver, text);
    await send(receiver, text);
    expect(batches).toEqual([2, 0, 0, 2]);
  });

  it("is in the file when the reply has come, and stays there", async () => {
    const db = join(folder, "runs.db");
    const receiver = await start({ db });
    for (let index = 0; index < 20; index += 1) {
      expect((await send(receiver, JSON.stringify(otlpJson({ id: index + 1, run: RUN })))).status).toBe(200);
      expect(receiver.store.stats().spans).toBe(index + 1);
    }
  });
});

describe("what is refused", () => {
  const bomb = gzipSync(Buffer.alloc(64 << 20));

  it.each<[string, string | Uint8Array, Record<string, string>, RequestOptions, number, string]>([
    ["no JSON", "{", JSON_TYPE, {}, 400, "not JSON"],
    ["no protobuf", "hello there", PROTOBUF_TYPE, {}, 400, "not OTLP protobuf"],
    ["JSON that is called protobuf", text, PROTOBUF_TYPE, {}, 400, "not OTLP protobuf"],
    ["no gzip", text, { ...JSON_TYPE, "content-encoding": "gzip" }, {}, 400, "not compressed as"],
    ["half a gzip", gzipSync(text).subarray(0, 40), { ...JSON_TYPE, "content-encoding": "gzip" }, {}, 400, "cut off"],
    ["no deflate", "\u0008garbage", { ...JSON_TYPE, "content-encoding": "deflate" }, {}, 400, "not compressed as"],
    ["a zip bomb", bomb, { ...JSON_TYPE, "content-encoding": "gzip" }, {}, 413, "larger than 1000000 bytes"],
    ["a body over the limit", "x".repeat(1_000_001), JSON_TYPE, {}, 413, "smaller batches"],
    [
      "a chunked body over the limit",
      "x".repeat(3_000_000),
      { ...JSON_TYPE, "transfer-encoding": "chunked" },
      {},
      413,
      "smaller batches",
    ],
    ["brotli", text, { ...JSON_TYPE, "content-encoding": "br" }, {}, 415, "use gzip, deflate or none"],
    ["two encodings", text, { ...JSON_TYPE, "content-encoding": "gzip, gzip" }, {}, 415, "use gzip"],
    ["text", text, { "content-type": "text/plain" }, {}, 415, "application/json or application/x-protobuf"],
    ["no type", text, {}, {}, 415, "application/json or application/x-protobuf"],
    ["gRPC", text, { "content-type": "application/grpc" }, {}, 415, "application/x-protobuf"],
    ["GET", "", {}, { method: "GET" }, 405, "takes POST, not GET"],
    ["PUT", text, JSON_TYPE, { method: "PUT" }, 405, "takes POST"],
    ["another path", text, JSON_TYPE, { path: "/api/v2/spans" }, 404, "traces go to /v1/traces"],
    ["a doubled path", text, JSON_TYPE, { path: "/v1/traces/v1/traces" }, 404, "the address without a path"],
  ])("%s, with the reason", async (_title, body, headers, options, code, message) => {
    const receiver = await start({ maxBodyBytes: 1_000_000 });
    await send(receiver, text);
    const reply = await send(receiver, body, headers, options);
    expect(reply.status).toBe(code);
    const refusal =
      headers["content-type"] === "application/x-protobuf" ? decodeMessage("RpcStatus", reply.body) : status(reply);
    expect(refusal["message"]).toContain(message);
    expect(refusal["code"]).toBeGreaterThan(0);
    // Nothing that was stored is lost, and the receiver goes on.
    expect(receiver.store.stats().spans).toBe(2);
    expect((await send(receiver, text)).status).toBe(200);
  });

  it("says which method is taken", async () => {
    const reply = await send(await start(), "", {}, { method: "DELETE" });
    expect(reply.headers["allow"]).toBe("POST");
  });

  it.each([
    ["the name of an attacker that points here", "evil.example.com"],
    ["another port", "127.0.0.1:1"],
    ["a loopback name inside another", "localhost.evil.example.com"],
    ["an address of the network", "192.168.0.1"],
    ["a name with credentials", "localhost@evil.example.com"],
  ])("a Host that is %s", async (_title, host) => {
    const receiver = await start();
    const withPort = host.includes(":") ? host : `${host}:${receiver.port}`;
    const reply = await send(receiver, text, { ...JSON_TYPE, host: withPort });
    expect(reply.status).toBe(403);
    expect(status(reply)).toMatchObject({ code: 7, message: expect.stringContaining(`127.0.0.1:${receiver.port}`) });
    expect(receiver.store.stats().spans).toBe(0);
  });

  it.each(["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])("not the Host %s with its port", async (host) => {
    const receiver = await start();
    expect((await send(receiver, text, { ...JSON_TYPE, host: `${host}:${receiver.port}` })).status).toBe(200);
  });

  it.each([
    "https://evil.example.com",
    "null",
    "http://localhost.evil.example.com",
    "file://",
    "chrome-extension://abc",
  ])("the origin %s", async (origin) => {
    const receiver = await start();
    const reply = await send(receiver, text, { ...JSON_TYPE, origin });
    expect(reply.status).toBe(403);
    expect(reply.headers["access-control-allow-origin"]).toBeUndefined();
    expect(
      (await send(receiver, "", { origin, "access-control-request-method": "POST" }, { method: "OPTIONS" })).status,
    ).toBe(403);
    expect(receiver.store.stats().spans).toBe(0);
  });

  it.each(["http://localhost:3000", "http://127.0.0.1:8787", "http://[::1]:5173", "https://app.localhost"])(
    "not the origin %s",
    async (origin) => {
      const receiver = await start();
      const asked = {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-a",
      };
      const preflight = await send(receiver, "", asked, { method: "OPTIONS" });
      expect(preflight).toMatchObject({
        status: 204,
        headers: { "access-control-allow-origin": origin, "access-control-allow-headers": "content-type,x-a" },
      });
      const reply = await send(receiver, text, { ...JSON_TYPE, origin });
      expect(reply).toMatchObject({ status: 200, headers: { "access-control-allow-origin": origin, vary: "Origin" } });
    },
  );
});

describe("pressure", () => {
  it("is handed back to senders while too much waits", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const ingestor: Ingestor = {
      async ingest() {
        await held;
        return { accepted: 1, duplicates: 0, rejected: 0, reason: "", prunedRuns: 0, prunedSpans: 0 };
      },
      close: async () => undefined,
    };
    const receiver = await start({ ingestor, maxPendingBytes: 10_000 });
    const waiting = send(receiver, "x".repeat(8000));
    await expect.poll(async () => (await send(receiver, "x".repeat(8000))).status).toBe(429);
    const refused = await send(receiver, "x".repeat(8000));
    expect(refused.headers["retry-after"]).toBe("1");
    expect(status(refused)).toMatchObject({ code: 8 });
    release();
    expect((await waiting).status).toBe(200);
    expect((await send(receiver, "x".repeat(8000))).status).toBe(200);
  });

  it("is 503 with a hint when the store cannot be written, and ends when it can", async () => {
    let broken = true;
    const notices: string[] = [];
    const ingestor: Ingestor = {
      async ingest() {
        if (broken) throw new IngestError("write", "the store cannot be written: database or disk is full");
        return { accepted: 2, duplicates: 0, rejected: 0, reason: "", prunedRuns: 0, prunedSpans: 0 };
      },
      close: async () => undefined,
    };
    const receiver = await start({ ingestor, onNotice: (notice) => notices.push(notice) });
    const refused = [await send(receiver, text), await send(receiver, text)];
    for (const reply of refused) {
      expect(reply).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
      expect(status(reply)).toMatchObject({ code: 14, message: expect.stringContaining("disk is full") });
    }
    expect(notices).toHaveLength(1);
    broken = false;
    expect((await send(receiver, text)).status).toBe(200);
  });

  it("of two hundred requests at once is stored whole", async () => {
    const receiver = await start({ db: join(folder, "runs.db") });
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, index) => send(receiver, JSON.stringify(otlpJson({ id: index + 1, run: RUN })))),
    );
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([200]));
    expect(receiver.store.getRun(RUN)?.spans).toHaveLength(200);
  });
});

describe("connections", () => {
  function raw(port: number, sent: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(sent));
      let received = "";
      socket.on("data", (chunk) => (received += chunk.toString()));
      socket.on("close", () => resolve(received));
      socket.on("error", reject);
    });
  }

  it("that are too slow are ended with a reason", async () => {
    const receiver = await start({ requestTimeoutMillis: 100 });
    const head = `POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1:${receiver.port}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`;
    const reply = await raw(receiver.port, head);
    expect(reply).toContain("408 Request Timeout");
    expect((await send(receiver, text)).status).toBe(200);
  });

  it("of gRPC are told what to do", async () => {
    const notices: string[] = [];
    const receiver = await start({ onNotice: (notice) => notices.push(notice) });
    const reply = await raw(receiver.port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    expect(reply).toContain("400 Bad Request");
    expect(notices.join()).toContain("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
  });

  it("that speak something else, or break off, harm nothing", async () => {
    const receiver = await start();
    expect(await raw(receiver.port, "\u0016\u0003\u0001 hello\r\n\r\n")).toContain("400");
    const socket = connect(receiver.port, "127.0.0.1", () => {
      socket.write(
        `POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1:${receiver.port}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
      );
      setImmediate(() => socket.destroy());
    });
    await new Promise((resolve) => socket.once("close", resolve));
    expect((await send(receiver, text)).status).toBe(200);
  });
});

describe("logs and metrics", () => {
  it("are taken quietly, and said once not to be stored", async () => {
    const notices: string[] = [];
    const receiver = await start({ onNotice: (notice) => notices.push(notice) });
    for (const [path, variable] of [
      ["/v1/logs", "OTEL_LOGS_EXPORTER"],
      ["/v1/metrics", "OTEL_METRICS_EXPORTER"],
    ] as const) {
      const first = await send(receiver, "{}", JSON_TYPE, { path });
      expect(first.status).toBe(200);
      expect(first.body.toString()).toContain(`${variable}=none`);
      expect((await send(receiver, "{}", JSON_TYPE, { path })).body.toString()).toBe("{}");
      expect((await send(receiver, "", PROTOBUF_TYPE, { path })).body).toHaveLength(0);
    }
    expect(notices).toHaveLength(2);
  });
});

describe("starting", () => {
  it("says who has the port, and what to do", async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toMatchObject({
      message: `port ${port} is taken by another botanu dev (pid ${process.pid})`,
      hint: expect.stringContaining("--port"),
    });
  });

  it.each(["0.0.0.0", "::", "192.168.0.1", "example.com"])("refuses to listen on %s", async (host) => {
    await expect(start({ host })).rejects.toThrow("is not a loopback address");
  });

  it("says why a store cannot be opened", async () => {
    await expect(start({ db: folder })).rejects.toThrow(/EISDIR|cannot open/);
  });

  it("says who it is", async () => {
    const reply = await send(await start(), "", {}, { method: "GET", path: "/" });
    expect(JSON.parse(reply.body.toString())).toEqual({ name: "botanu", receives: "/v1/traces", pid: process.pid });
  });
});

describe("the store's thread", () => {
  it("stores what it was handed before it closes", async () => {
    const db = join(folder, "runs.db");
    const receiver = await startReceiver({ port: 0, db });
    const replies = Array.from({ length: 20 }, (_, index) =>
      send(receiver, JSON.stringify(otlpJson({ id: index + 1, run: RUN }))),
    );
    await Promise.race(replies);
    await receiver.close();
    const stored = (await Promise.allSettled(replies)).filter(
      (each) => each.status === "fulfilled" && each.value.status === 200,
    );
    const again = await start({ db });
    expect(again.store.stats().spans).toBeGreaterThanOrEqual(stored.length);
    expect(stored.length).toBeGreaterThan(0);
  });

  it("is started anew when it ended by itself, and what it had in hand is refused", async () => {
    // Ends at a body that begins with an x, and takes every other one.
    const program = `import { parentPort as port } from "node:worker_threads";
      port.on("message", (request) => {
        if (request.close) return port.close();
        if (request.body[0] === 120) process.exit(1);
        port.postMessage({ id: request.id, result: { accepted: 1 } });
      });
      port.postMessage({ ready: true });`;
    const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const thread = await StoreThread.start({ path: "", limits: {} }, url);
    open.push(thread);
    expect(await thread.ingest("json", Buffer.from("a"))).toEqual({ accepted: 1 });
    const both = await Promise.allSettled([
      thread.ingest("json", Buffer.from("x")),
      thread.ingest("json", Buffer.from("b")),
    ]);
    expect(both).toMatchObject([{ reason: { kind: "write" } }, { reason: { kind: "write" } }]);
    expect(await thread.ingest("json", Buffer.from("c"))).toEqual({ accepted: 1 });
  });

  it("takes nothing when it is closed", async () => {
    const thread = await StoreThread.start({ path: join(folder, "runs.db"), limits: {} });
    await thread.close();
    await expect(thread.ingest("json", Buffer.from(text))).rejects.toMatchObject({ kind: "write" });
  });
});
