import type { DropReason, OtlpExporterOptions, OtlpTraceExporter, ReadableSpan } from "@botanu/otlp";

import { assert, assertEqual, type Case } from "./case.ts";
import type { Arrived } from "./fault-receiver.ts";
import type { Library } from "./suite.ts";

const RESOURCE = { attributes: { "service.name": "shop" } };
const SCOPE = { name: "suite" };

/** A delivery under way: what is sent where, and what came of it. */
interface Delivery {
  readonly exporter: OtlpTraceExporter;
  readonly slept: number[];
  readonly code: number;
  /** Of the error, with which the code is 1. */
  readonly message: string;
  readonly arrived: readonly Arrived[];
}

interface Expected {
  readonly code: 0 | 1;
  readonly sent: number;
  readonly requests: number;
  readonly dropped?: Partial<Record<DropReason, number>>;
}

let counter = 0;

/** The exporter on the runtime's own `fetch`, timers, streams and compressor, against a receiver that fails in every way. */
export function exporterCases(library: Library, receiver: string): Case[] {
  const deliver = createDeliver(library, receiver);
  const outcome = (
    title: string,
    plan: string,
    count: number,
    expected: Expected,
    options?: OtlpExporterOptions,
  ): Case => ({
    title: `exporter: ${title}`,
    run: async () => {
      const { exporter, code } = await deliver(plan, makeSpans(count), options);
      const { sent, requests, dropped, pendingSpans, pendingBytes } = exporter.stats();
      const lost = Object.fromEntries(Object.entries(dropped).filter(([, spans]) => spans > 0));
      assertEqual(
        { code, sent, requests, dropped: lost, pendingSpans, pendingBytes },
        { dropped: {}, pendingSpans: 0, pendingBytes: 0, ...expected },
      );
    },
  });
  const short = { timeoutMillis: 100 };
  return [
    outcome("retries 429, 502, 503 and 504", "429,502,503,504", 3, { code: 0, sent: 3, requests: 5 }),
    {
      title: "exporter: retries a connection that was reset",
      run: async () => {
        // Not by our own count of requests: Deno's client repeats one by itself when the connection was an old one.
        const { exporter, arrived } = await deliver("reset,reset", makeSpans(1));
        assertEqual([exporter.stats().sent, arrived.length], [1, 3]);
      },
    },
    outcome("gives up after its attempts", "503,503,503,503,503,503", 2, {
      code: 1,
      sent: 0,
      requests: 5,
      dropped: { retry_exhausted: 2 },
    }),
    ...[400, 401, 404, 408, 500, 501].map((status) =>
      outcome(`takes ${status} as final`, `${status}`, 2, {
        code: 1,
        sent: 0,
        requests: 1,
        dropped: { non_retryable: 2 },
      }),
    ),
    outcome("splits on 413", "most-2,most-2,most-2,most-2,most-2", 4, { code: 0, sent: 4, requests: 3 }),
    outcome("counts what a partial success refused", "partial", 5, {
      code: 0,
      sent: 3,
      requests: 1,
      dropped: { rejected: 2 },
    }),
    outcome("believes a 200 whose body breaks off", "cut", 1, { code: 0, sent: 1, requests: 1 }),
    outcome("believes a 200 whose body never ends", "drip", 1, { code: 0, sent: 1, requests: 1 }, short),
    outcome("ends with its time limit when nothing comes", "hang", 2, timedOut(2), short),
    outcome("ends with its time limit when a 503 never ends", "drip-503", 1, timedOut(1), short),
    outcome("refuses a reply over 4 MiB", "flood", 1, { code: 1, sent: 0, requests: 1, dropped: { non_retryable: 1 } }),
    ...requestCases(library, receiver),
  ];
}

function timedOut(spans: number): Expected {
  return { code: 1, sent: 0, requests: 1, dropped: { timeout: spans } };
}

function requestCases(library: Library, receiver: string): Case[] {
  const deliver = createDeliver(library, receiver);
  return [
    {
      title: "exporter: waits as long as Retry-After says",
      run: async () => {
        const { slept, code } = await deliver("later", makeSpans(1));
        assertEqual({ slept, code }, { slept: [3000], code: 0 });
      },
    },
    {
      title: "exporter: does not follow a redirect",
      run: async () => {
        const { code, message } = await deliver("away", makeSpans(1), { headers: { "x-api-key": "k3y" } });
        assertEqual(code, 1);
        assert(!/k3y|127\.0/.test(message), message);
        assertEqual(await arrivedAt(receiver, "elsewhere"), []);
      },
    },
    {
      title: "exporter: compresses a large body and states its length",
      run: async () => {
        const { arrived } = await deliver("200", makeSpans(60));
        const { headers, spans } = arrived[0] as Arrived;
        assertEqual([spans.length, headers["content-encoding"]], [60, "gzip"]);
        assert(Number(headers["content-length"]) < 4096, `content-length ${headers["content-length"]}`);
      },
    },
    {
      title: "exporter: sends a small body as it is, with the headers of the protocol",
      run: async () => {
        const { arrived } = await deliver("200", makeSpans(1), { headers: { "x-own": "1" } });
        const { headers, spans } = arrived[0] as Arrived;
        const { "content-type": type, "content-encoding": encoding, "x-own": own } = headers;
        assertEqual({ spans, type, encoding, own }, { spans: ["0"], type: "application/json", own: "1" });
        assert(/OTel-OTLP-Exporter-JavaScript/.test(headers["user-agent"] ?? ""), `${headers["user-agent"]}`);
      },
    },
    {
      title: "exporter: sends protobuf",
      run: async () => {
        const { arrived, code } = await deliver("200", makeSpans(2), {
          serializer: library.protobuf.protobufSerializer,
        });
        assertEqual([code, arrived[0]?.headers["content-type"]], [0, "application/x-protobuf"]);
      },
    },
    {
      title: "exporter: holds many deliveries beside each other",
      run: async () => {
        const all = await Promise.all(Array.from({ length: 20 }, () => deliver("503", makeSpans(2))));
        assertEqual(new Set(all.map(({ code, arrived }) => `${code} ${arrived.length}`)).size, 1);
      },
    },
  ];
}

function createDeliver({ otlp }: Library, receiver: string) {
  return async (plan: string, spans: readonly ReadableSpan[], options: OtlpExporterOptions = {}): Promise<Delivery> => {
    const name = `case-${++counter}-${Date.now()}`;
    const slept: number[] = [];
    const exporter = new otlp.OtlpTraceExporter({
      url: `${receiver}/${name}/${plan}`,
      sleep: async (millis) => void slept.push(millis),
      ...options,
    });
    const { code, error } = await exporter.send(spans);
    return { exporter, slept, code, message: error?.message ?? "", arrived: await arrivedAt(receiver, name) };
  };
}

async function arrivedAt(receiver: string, name: string): Promise<Arrived[]> {
  return (await (await fetch(`${receiver}/${name}`)).json()) as Arrived[];
}

function makeSpans(count: number): ReadableSpan[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${index}`,
    kind: 0,
    spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 }),
    startTime: [1_764_000_000, 5],
    endTime: [1_764_000_001, 6],
    status: { code: 0 },
    attributes: { note: "the same in every span" },
    links: [],
    events: [],
    resource: RESOURCE,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }));
}
