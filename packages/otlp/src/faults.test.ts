import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import {
  answer,
  drip,
  hang,
  resetAfterHeaders,
  resetBeforeHeaders,
  startFaultServer,
  type Fault,
  type FaultServer,
} from "../test/fault-server.ts";
import { makeSpan, makeSpans } from "../test/spans.ts";
import { OtlpTraceExporter, type OtlpExportError, type OtlpExporterOptions } from "./index.ts";
import { protobufSerializer } from "./protobuf.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const OPEN: FaultServer[] = [];

async function receiver(...faults: Fault[]): Promise<FaultServer> {
  const server = await startFaultServer(...faults);
  OPEN.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(OPEN.splice(0).map((server) => server.close()));
});

/** An exporter whose delays pass at once and whose jitter is always half of what it may be. */
function exporterFor(url: string, options: OtlpExporterOptions = {}) {
  const slept: number[] = [];
  const warned: string[] = [];
  let elapsed = 0;
  const exporter = new OtlpTraceExporter({
    url,
    now: () => NOW + elapsed,
    random: () => 0.5,
    sleep: async (millis) => {
      slept.push(millis);
      elapsed += millis;
    },
    diag: { warn: (message) => warned.push(message) },
    ...options,
  });
  return { exporter, slept, warned, pass: (millis: number) => (elapsed += millis) };
}

function failureOf(result: { error?: Error }): Pick<OtlpExportError, "code" | "status" | "message"> {
  const { code, status, message } = result.error as OtlpExportError;
  return { code, status, message };
}

describe("status codes", () => {
  it.each([429, 502, 503, 504])("%i is tried again, with a delay that doubles", async (status) => {
    const server = await receiver(answer(status), answer(status), answer(status));
    const { exporter, slept } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(2))).toEqual({ code: 0 });
    expect(slept).toEqual([500, 1000, 2000]);
    expect(server.spanNames()).toEqual(Array.from({ length: 4 }, () => ["0", "1"]));
    expect(exporter.stats()).toMatchObject({ sent: 2, requests: 4, retries: 3, pendingSpans: 0, pendingBytes: 0 });
  });

  it.each([400, 401, 403, 404, 408, 415, 500, 501, 505])("%i is final", async (status) => {
    const server = await receiver(answer(status, {}, '{"message":"no\\nthanks"}'));
    const { exporter } = exporterFor(server.url);
    expect(failureOf(await exporter.send(makeSpans(3)))).toEqual({
      code: "ERR_OTLP_NON_RETRYABLE",
      status,
      message: `OTLP non_retryable: HTTP ${status} no thanks`,
    });
    expect(server.received).toHaveLength(1);
    expect(exporter.stats().dropped.non_retryable).toBe(3);
  });

  it.each([301, 302, 303, 307, 308])("%i is not followed, and its target is not told", async (status) => {
    const other = await receiver();
    const server = await receiver(answer(status, { location: `${other.url}?secret=s3cret` }));
    const { exporter, warned } = exporterFor(server.url, { headers: { "x-api-key": "k3y" } });
    const failure = failureOf(await exporter.send(makeSpans(1)));
    expect(failure).toMatchObject({ code: "ERR_OTLP_NON_RETRYABLE", status });
    expect(other.received).toHaveLength(0);
    expect(failure.message + warned.join()).not.toMatch(/s3cret|k3y|127\.0/);
  });

  it("gives up after the attempts that it was given", async () => {
    const server = await receiver(answer(503), answer(503), answer(503));
    const { exporter } = exporterFor(server.url, { maxAttempts: 2 });
    expect(failureOf(await exporter.send(makeSpans(1)))).toMatchObject({
      code: "ERR_OTLP_RETRY_EXHAUSTED",
      status: 503,
    });
    expect(server.received).toHaveLength(2);
    expect(exporter.stats().dropped.retry_exhausted).toBe(1);
  });
});

describe("connections", () => {
  it("that are refused are tried again", async () => {
    const server = await startFaultServer();
    await server.close();
    const { exporter, slept } = exporterFor(server.url);
    const failure = failureOf(await exporter.send(makeSpans(1)));
    expect(failure).toEqual({
      code: "ERR_OTLP_RETRY_EXHAUSTED",
      status: undefined,
      message: "OTLP retry_exhausted: network ECONNREFUSED",
    });
    expect(slept).toHaveLength(4);
  });

  it("that are reset before an answer are tried again", async () => {
    const server = await receiver(resetBeforeHeaders, resetBeforeHeaders);
    const { exporter } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(server.received).toHaveLength(3);
  });

  it("that break off after a 200 were a success, which must not be sent twice", async () => {
    const server = await receiver(resetAfterHeaders(200));
    const { exporter } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(server.received).toHaveLength(1);
  });

  it("that break off after a 503 are tried again", async () => {
    const server = await receiver(resetAfterHeaders(503));
    const { exporter } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(server.received).toHaveLength(2);
  });

  it.each([
    ["an answer that never comes", hang, 1, { timeout: 1, sent: 0 }],
    ["a 503 that drips", drip(503), 1, { timeout: 1, sent: 0 }],
    ["a 200 that drips: it was taken", drip(200), 0, { timeout: 0, sent: 1 }],
  ] as const)("%s ends with the time limit", async (_title, fault, code, { timeout, sent }) => {
    const server = await receiver(fault);
    const { exporter } = exporterFor(server.url, { timeoutMillis: 60 });
    const result = await exporter.send(makeSpans(1));
    expect(result.code).toBe(code);
    if (code) expect(failureOf(result).code).toBe("ERR_OTLP_TIMEOUT");
    expect(exporter.stats()).toMatchObject({ sent, requests: 1, dropped: { timeout } });
  });
});

describe("Retry-After", () => {
  it.each([
    ["seconds", "3", 3000],
    ["less than the jitter", "0", 500],
    ["a date to come", new Date(NOW + 4000).toUTCString(), 4000],
    ["a date to come, in the old form", "Tuesday, 24-Nov-26 12:00:05 GMT", 5000],
    ["a date that has passed", "Sun, 06 Nov 1994 08:49:37 GMT", 500],
    ["a word", "soon", 500],
    ["a negative number", "-5", 500],
    ["a fraction", "1.5", 500],
    ["a date of another form", "2030-01-01T00:00:00Z", 500],
  ])("of %s (%s) waits %i ms", async (_title, value, delay) => {
    const server = await receiver(answer(429, { "retry-after": value }));
    const { exporter, slept } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(slept).toEqual([delay]);
  });

  it.each(["11", "86400", "9".repeat(400), new Date(NOW + 60_000).toUTCString()])(
    "beyond the time limit (%s) ends it at once",
    async (value) => {
      const server = await receiver(answer(503, { "retry-after": value }));
      const { exporter, slept } = exporterFor(server.url);
      expect(failureOf(await exporter.send(makeSpans(1)))).toMatchObject({ code: "ERR_OTLP_RETRY_EXHAUSTED" });
      expect(slept).toEqual([]);
    },
  );

  it("never becomes a delay that a timer cannot hold", async () => {
    const server = await receiver(answer(503, { "retry-after": "9999999999" }));
    const { exporter, slept } = exporterFor(server.url, { timeoutMillis: 0 });
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(slept).toEqual([2 ** 31 - 1]);
  });
});

describe("answers", () => {
  const PARTIAL = [10, 9, 8, 2, 18, 5, ...new TextEncoder().encode("quota")];

  it.each([
    ["JSON, a number", {}, '{"partialSuccess":{"rejectedSpans":2,"errorMessage":"quota"}}'],
    ["JSON, a string", {}, '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"quota"}}'],
    ["protobuf", { serializer: protobufSerializer }, Uint8Array.from(PARTIAL)],
  ] as const)("that take a part (%s) are counted and not repeated", async (_title, options, body) => {
    const server = await receiver(answer(200, {}, body));
    const { exporter, warned } = exporterFor(server.url, options);
    expect(await exporter.send(makeSpans(5))).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ sent: 3, requests: 1, dropped: { rejected: 2 } });
    expect(warned).toEqual(["OTLP rejected: quota (2 spans)"]);
  });

  it.each([
    ["more than were sent", '{"partialSuccess":{"rejectedSpans":99}}', 1],
    ["less than none", '{"partialSuccess":{"rejectedSpans":-1}}', 0],
    ["what is no number", '{"partialSuccess":{"rejectedSpans":"all"}}', 0],
  ])("that refuse %s do not disturb the count", async (_title, body, rejected) => {
    const server = await receiver(answer(200, {}, body));
    const { exporter } = exporterFor(server.url);
    await exporter.send(makeSpans(1));
    expect(exporter.stats()).toMatchObject({ sent: 1 - rejected, dropped: { rejected } });
  });

  it("may warn although they take everything", async () => {
    const server = await receiver(answer(200, {}, '{"partialSuccess":{"errorMessage":"slow down"}}'));
    const { exporter, warned } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(warned).toEqual(["OTLP slow down"]);
  });

  it.each([
    ["HTML", "<html>ok</html>", "text/html"],
    ["nothing", "", "application/json"],
    ["null", "null", "application/json"],
    ["protobuf to a JSON request", Uint8Array.from(PARTIAL), "application/x-protobuf"],
  ])("of another kind (%s) are a success", async (_title, body, type) => {
    const server = await receiver(answer(200, { "content-type": type }, body));
    const { exporter } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(1))).toEqual({ code: 0 });
    expect(exporter.stats().sent).toBe(1);
  });

  const FIVE_MEGABYTES = "x".repeat(5 << 20);
  it.each([
    ["as it is", answer(200, {}, FIVE_MEGABYTES)],
    ["after decompression", answer(200, { "content-encoding": "gzip" }, gzipSync(FIVE_MEGABYTES))],
    ["with a retryable status", answer(503, {}, FIVE_MEGABYTES)],
  ])("that are too large %s are a final failure", async (_title, fault) => {
    const server = await receiver(fault);
    const { exporter } = exporterFor(server.url);
    expect(failureOf(await exporter.send(makeSpans(1)))).toMatchObject({
      code: "ERR_OTLP_NON_RETRYABLE",
      message: expect.stringContaining("reply too large") as string,
    });
    expect(server.received).toHaveLength(1);
  });
});

describe("requests that are too large", () => {
  /** Takes no more than so many spans at once. */
  function takes(count: number): Fault[] {
    return Array.from({ length: 100 }, (): Fault => (response, { body }) => {
      const { length } = body.toString().match(/"traceId"/g) ?? [];
      answer(length > count ? 413 : 200, {}, "{}")(response, { path: "", headers: {}, body });
    });
  }

  it("are split until the receiver takes them, in order and each span once", async () => {
    const server = await receiver(...takes(2));
    const { exporter } = exporterFor(server.url);
    expect(await exporter.send(makeSpans(7))).toEqual({ code: 0 });
    const delivered = server.spanNames().filter((names) => names.length <= 2);
    expect(delivered.flat()).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
    expect(exporter.stats()).toMatchObject({ sent: 7, retries: 0 });
  });

  it("are split beforehand for a while afterwards", async () => {
    const server = await receiver(...takes(2));
    const { exporter, pass } = exporterFor(server.url);
    await exporter.send(makeSpans(4));
    expect(server.spanNames().map(({ length }) => length)).toEqual([4, 2, 2]);
    await exporter.send(makeSpans(4));
    expect(server.spanNames().map(({ length }) => length)).toEqual([4, 2, 2, 2, 2]);
    pass(6 * 60_000);
    await exporter.send(makeSpans(4));
    expect(server.spanNames().map(({ length }) => length)).toEqual([4, 2, 2, 2, 2, 4, 2, 2]);
  });

  it("of one span lose that span only", async () => {
    const server = await receiver(answer(413), answer(200), answer(413), answer(413), answer(200));
    const { exporter } = exporterFor(server.url);
    const result = await exporter.send(makeSpans(4));
    expect(failureOf(result)).toMatchObject({ code: "ERR_OTLP_TOO_LARGE", status: 413 });
    expect(exporter.stats()).toMatchObject({ sent: 3, dropped: { too_large: 1 } });
  });

  it("by our own limit are split before they are sent, and a span over it is lost", async () => {
    const server = await receiver();
    const { exporter } = exporterFor(server.url, { maxRequestBytes: 1500 });
    const spans = [...makeSpans(5), makeSpan({ name: "large", attributes: { text: "x".repeat(2000) } })];
    expect(failureOf(await exporter.send(spans))).toMatchObject({ code: "ERR_OTLP_TOO_LARGE", status: undefined });
    expect(server.spanNames().flat()).toEqual(["0", "1", "2", "3", "4"]);
    expect(server.received.every(({ body }) => body.length <= 1500)).toBe(true);
    expect(exporter.stats()).toMatchObject({ sent: 5, dropped: { too_large: 1 } });
  });
});

describe("compression", () => {
  const large = makeSpans(40);

  it("is used for a large body, with its length stated", async () => {
    const server = await receiver();
    const { exporter } = exporterFor(server.url);
    expect(await exporter.send(large)).toEqual({ code: 0 });
    expect(server.spanNames()[0]).toHaveLength(40);
    expect(server.received[0]?.headers).toMatchObject({ "content-encoding": "gzip" });
    expect(Number(server.received[0]?.headers["content-length"])).toBeLessThan(1500);
  });

  it.each([
    ["a small body", makeSpans(1), {}],
    ["an exporter that was told so", large, { compression: "none" }],
    ["a header that claims it", makeSpans(1), { headers: { "content-encoding": "br" } }],
  ] as const)("is not used for %s", async (_title, spans, options) => {
    const server = await receiver();
    const { exporter } = exporterFor(server.url, options);
    expect(await exporter.send(spans)).toEqual({ code: 0 });
    expect(server.received[0]?.headers["content-encoding"]).toBeUndefined();
    expect(server.received[0]?.headers["transfer-encoding"]).toBeUndefined();
  });

  it("is left out where there is no compressor", async () => {
    const server = await receiver();
    const { exporter } = exporterFor(server.url);
    const { CompressionStream } = globalThis;
    Reflect.deleteProperty(globalThis, "CompressionStream");
    try {
      expect(await exporter.send(large)).toEqual({ code: 0 });
    } finally {
      globalThis.CompressionStream = CompressionStream;
    }
    expect(server.received[0]?.headers["content-encoding"]).toBeUndefined();
  });
});
