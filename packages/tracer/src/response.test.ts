import { ROOT_CONTEXT } from "@botanu/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { recordEachTest } from "../test/recording.ts";
import { type HttpEntry, startHttpEntry } from "./http-entry.ts";
import { answer, withHeader } from "./response.ts";
import type { ReadableSpan } from "./types.ts";

const recording = recordEachTest();

function entry(method = "GET"): HttpEntry {
  const work = { key: {}, method, url: "http://a.example/", headers: {} };
  return startHttpEntry(
    recording.tracer,
    undefined,
    work,
    {},
    { workflow: "orders" },
    { context: ROOT_CONTEXT },
  ) as HttpEntry;
}

function server(): ReadableSpan | undefined {
  return recording.spans.find(({ kind }) => kind === 1);
}

interface Tapped {
  readonly sent: Response;
  readonly tracked: Array<Promise<unknown>>;
}

function send(
  response: Response,
  options: { method?: string; signal?: AbortSignal; limitMillis?: number } = {},
): Tapped {
  const tracked: Array<Promise<unknown>> = [];
  const { method, ...more } = options;
  const sent = answer(entry(method), response, {
    header: true,
    track: (promise) => void tracked.push(promise),
    ...more,
  });
  return { sent, tracked };
}

/** A body that goes on until it is told how to end. */
function openBody(): {
  body: ReadableStream<Uint8Array>;
  controller: ReadableStreamDefaultController<Uint8Array>;
  cancelled: unknown[];
} {
  const cancelled: unknown[] = [];
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: (reason) => void cancelled.push(reason),
  });
  return { body, controller: controller as ReadableStreamDefaultController<Uint8Array>, cancelled };
}

describe("answer", () => {
  it.each<[string, Response]>([
    ["a text", new Response("text")],
    ["JSON", Response.json({ a: 1 })],
    ["nothing", new Response(null, { status: 204 })],
    ["a redirect", Response.redirect("http://b.example/", 307)],
    ["a network error", Response.error()],
    ["a body of a known length", new Response(openBody().body, { headers: { "content-length": "5" } })],
  ])("ends at once with %s and gives back what it was given, or a copy of it", async (_, response) => {
    const { sent, tracked } = send(response);
    expect(server()?.ended).toBe(true);
    expect(tracked).toEqual([]);
    expect([sent.status, sent.body === null]).toEqual([response.status, response.body === null]);
  });

  it.each<[string, ResponseInit]>([
    ["no type", {}],
    ["events", { headers: { "content-type": "text/event-stream" } }],
    ["a text that somebody typed", { headers: { "content-type": "text/plain; charset=utf-8" } }],
    ["JSON in chunks", { headers: { "content-type": "application/json", "transfer-encoding": "chunked" } }],
  ])("waits for the end of a body of %s", async (_, init) => {
    const { body, controller } = openBody();
    const { sent, tracked } = send(new Response(body, { status: 203, statusText: "Nearly", ...init }));
    expect([sent.status, sent.statusText, sent.headers.get("x-botanu-run-id") !== null]).toEqual([203, "Nearly", true]);
    controller.enqueue(new TextEncoder().encode("part"));
    expect(server()).toBeUndefined();
    controller.close();
    expect(await sent.text()).toBe("part");
    await Promise.all(tracked);
    expect(server()).toMatchObject({ attributes: { "http.response.status_code": 203 } });
    expect(server()?.attributes).not.toHaveProperty("botanu.response.end");
  });

  it("ends when its reader goes away, and tells the source", async () => {
    const { body, cancelled } = openBody();
    const { sent, tracked } = send(new Response(body));
    await sent.body?.cancel("bye");
    await Promise.all(tracked);
    expect(cancelled).toEqual(["bye"]);
    expect(server()).toMatchObject({ status: { code: 0 }, attributes: { "botanu.response.end": "aborted" } });
  });

  it("ends when the source fails, and tells the reader", async () => {
    const { body, controller } = openBody();
    const { sent, tracked } = send(new Response(body));
    const reading = sent.text();
    controller.error(new RangeError("dry"));
    await expect(reading).rejects.toThrow("dry");
    await Promise.all(tracked);
    expect(server()).toMatchObject({
      status: { code: 2 },
      attributes: { "botanu.response.end": "failed", "error.type": "RangeError" },
    });
  });

  it("ends when the request is aborted, whatever the body does, and only once", async () => {
    const { body, controller } = openBody();
    const abort = new AbortController();
    const { sent, tracked } = send(new Response(body), { signal: abort.signal });
    abort.abort();
    await Promise.all(tracked);
    expect(server()?.attributes["botanu.response.end"]).toBe("aborted");
    controller.close();
    await sent.text();
    expect(recording.spans).toHaveLength(2);
    expect(recording.warnings).toEqual([]);
  });

  it.each<[string, Response]>([
    ["was read", new Response("text")],
    ["is locked", new Response(openBody().body)],
  ])("leaves to the host a body that %s", async (title, response) => {
    if (title === "was read") await response.text();
    else response.body?.getReader();
    const { sent } = send(response);
    expect(sent).toBe(response);
    expect(server()?.ended).toBe(true);
  });

  it("has no body to wait for at HEAD", () => {
    const response = new Response(openBody().body);
    expect(send(response, { method: "HEAD" }).sent).toBe(response);
    expect(server()?.name).toBe("HEAD");
  });

  describe("beyond the limit", () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it.each<[number | undefined, number]>([
      [undefined, 25_000],
      [100, 100],
    ])("of %s leaves with what is known, and the body goes on", async (limitMillis, expected) => {
      const { body, controller } = openBody();
      const { sent, tracked } = send(new Response(body), limitMillis === undefined ? {} : { limitMillis });
      vi.advanceTimersByTime(expected - 1);
      expect(server()).toBeUndefined();
      vi.advanceTimersByTime(1);
      await Promise.all(tracked);
      expect(server()).toMatchObject({ status: { code: 0 }, attributes: { "botanu.response.end": "open" } });
      controller.enqueue(new TextEncoder().encode("late"));
      controller.close();
      expect(await sent.text()).toBe("late");
    });
  });
});

describe("withHeader", () => {
  it("rebuilds a response whose headers cannot be changed", async () => {
    const redirect = Response.redirect("http://b.example/");
    const changed = withHeader(redirect, "x-a", "1");
    expect(changed).not.toBe(redirect);
    expect([changed.status, changed.headers.get("x-a"), changed.headers.get("location")]).toEqual([
      302,
      "1",
      "http://b.example/",
    ]);
    const own = new Response("text");
    expect(withHeader(own, "x-a", "1")).toBe(own);
  });
});
