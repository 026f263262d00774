// What is done to a `Response` on its way out: the run's id as a header, and a look at the end of a streamed body.

import { RUN_ID_HEADER } from "@botanu/core";
import { endHttpEntry, type HttpEntry, type ResponseEnd } from "./http-entry.ts";
import { AFTER_ANSWER_MILLIS } from "./wait-until.ts";

/** Content types that a response gets by itself when its body is a text or JSON: nobody names them for a stream. */
const WRITTEN_WHOLE = /^(?:application\/json|text\/plain; ?charset=UTF-8$)/;

interface Answering {
  /** Adds `x-botanu-run-id`. */
  readonly header: boolean;
  /** Keeps the invocation open until the body has ended. */
  readonly track: (promise: Promise<unknown>) => void;
  readonly signal?: AbortSignal | undefined;
  readonly limitMillis?: number | undefined;
}

/**
 * The response to send for an entry, which ends with it: at once, or with its body where that is streamed. Status, headers,
 * WebSocket and encoding stay; whatever goes wrong here, the app's own response is what is sent.
 */
export function answer(entry: HttpEntry, response: Response, options: Answering): Response {
  let sent = response;
  try {
    if (options.header && entry.run) sent = withHeader(response, RUN_ID_HEADER, entry.run.runId);
    if (entry.method !== "HEAD" && isStreamed(sent)) return watchBody(entry, sent, options);
  } catch {
    // An error response or a body that was read already cannot be rebuilt: the host has its own words for it.
  }
  endHttpEntry(entry, (response as Response | undefined)?.status);
  return sent;
}

/** Headers of a fetched response cannot be changed: then it is built anew around the same body. */
export function withHeader(response: Response, name: string, value: string): Response {
  try {
    response.headers.set(name, value);
    return response;
  } catch {
    const copy = new Response(response.body, response);
    copy.headers.set(name, value);
    return copy;
  }
}

function isStreamed({ body, headers }: Response): boolean {
  if (!body || body.locked || headers.has("content-length")) return false;
  return headers.has("transfer-encoding") || !WRITTEN_WHOLE.test(headers.get("content-type") ?? "");
}

/**
 * The same response around a pipe, whose end is the body's. Bytes of the host's own streams are moved by the host: its identity
 * stream is used where there is one.
 */
function watchBody(entry: HttpEntry, response: Response, { track, signal, limitMillis }: Answering): Response {
  const Pipe =
    (globalThis as { IdentityTransformStream?: typeof TransformStream }).IdentityTransformStream ?? TransformStream;
  const { readable, writable } = new Pipe<Uint8Array, Uint8Array>();
  const sent = new Response(readable, response);
  const ended = new Promise<void>((resolve) => {
    let open = true;
    const end = (how?: ResponseEnd): void => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      endHttpEntry(entry, response.status, how);
      resolve();
    };
    const timer = setTimeout(() => end("open"), limitMillis ?? AFTER_ANSWER_MILLIS);
    (timer as { unref?: () => void }).unref?.();
    signal?.addEventListener("abort", () => end("aborted"), { once: true });
    response.body?.pipeTo(writable, { preventAbort: true }).then(
      () => end(),
      (error: unknown) => {
        const writer = writable.getWriter();
        writer.closed.catch(() => undefined);
        // Its reader went away; otherwise the source failed, which the reader is to hear.
        if (writer.desiredSize === null) return end("aborted");
        writer.abort(error).catch(() => undefined);
        entry.error ??= error;
        end("failed");
      },
    );
  });
  track(ended);
  return sent;
}
