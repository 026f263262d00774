// An extension inside the function's own process. The platform does not freeze an environment before each of its extensions asks for the
// next event, so what the extension does after the answer delays nobody, though it is paid for.

import type { Agent } from "node:http";
import { nodeHttp } from "./node-http.ts";

interface Reply {
  readonly status: number;
  readonly identifier: string | undefined;
  readonly body: string;
}

/** Work for after an answer. */
type Work = () => Promise<unknown>;

/** How long an event waits for its handler to begin. */
const ANNOUNCE_MILLIS = 20;

interface Deferred {
  readonly promise: Promise<Work>;
  readonly resolve: (work: Work) => void;
}

function defer(): Deferred {
  let resolve: (work: Work) => void = () => {};
  const promise = new Promise<Work>((done) => (resolve = done));
  return { promise, resolve };
}

function sleep(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis).unref());
}

export class InternalExtension {
  readonly #address: string;
  readonly #agent: Agent;
  /** What is to be done for each request whose handler has begun. */
  readonly #works = new Map<string, Deferred>();
  #isPolling = false;
  /** The request that was let go because nobody had announced it. */
  #released = "";
  /** Resolves when it is known whether there is an extension. */
  readonly ready: Promise<boolean>;

  /** Registers at once, which the platform allows during initialization alone. */
  constructor(address: string) {
    this.#address = address;
    this.#agent = new (nodeHttp("http").Agent)({ keepAlive: true, maxSockets: 1 });
    this.ready = this.#register();
  }

  /** Says that the handler of a request begins; gives whether it will be held open for what is handed over. */
  announce(requestId: string): boolean {
    const isHeld = this.#isPolling && requestId !== this.#released;
    if (isHeld) this.#works.set(requestId, defer());
    return isHeld;
  }

  /** Hands over work of an announced request for after its answer. */
  handOver(requestId: string, work: Work): void {
    this.#works.get(requestId)?.resolve(work);
  }

  async #register(): Promise<boolean> {
    try {
      const { status, identifier } = await this.#ask(
        true,
        "POST",
        "register",
        { "lambda-extension-name": "botanu" },
        '{"events":["INVOKE"]}',
      );
      if (status !== 200 || !identifier) return false;
      void this.#loop(identifier);
      return true;
    } catch {
      return false;
    }
  }

  async #loop(identifier: string): Promise<void> {
    try {
      for (;;) {
        this.#isPolling = true;
        const { status, body } = await this.#ask(false, "GET", "event/next", {
          "lambda-extension-identifier": identifier,
        });
        if (status !== 200) return;
        const { requestId = "", deadlineMs = 0 } = JSON.parse(body) as { requestId?: string; deadlineMs?: number };
        await this.#carryOut(requestId, deadlineMs);
      }
    } catch {
      // The API is gone, and so is the environment.
    } finally {
      this.#isPolling = false;
    }
  }

  async #carryOut(requestId: string, deadlineMs: number): Promise<void> {
    // The handler begins in the same moment. Where none of ours does, nothing must be held.
    if (!this.#works.has(requestId)) await sleep(ANNOUNCE_MILLIS);
    const work = this.#works.get(requestId);
    if (!work) {
      this.#released = requestId;
      return;
    }
    const over = sleep(Math.max(0, deadlineMs - Date.now()));
    await Promise.race([work.promise.then((carryOut) => carryOut()), over]).catch(() => undefined);
    this.#works.delete(requestId);
  }

  #ask(holds: boolean, method: string, path: string, headers: Record<string, string>, body?: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const url = `http://${this.#address}/2020-01-01/extension/${path}`;
      const outgoing = nodeHttp("http").request(url, { method, headers, agent: this.#agent }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const identifier = incoming.headers["lambda-extension-identifier"];
          resolve({
            status: incoming.statusCode ?? 0,
            identifier: identifier?.toString(),
            body: Buffer.concat(chunks).toString(),
          });
        });
      });
      // A handler with a callback answers when nothing keeps the process alive: a poll must not. Registration is waited for.
      outgoing.on("socket", (socket) => (holds ? socket.ref() : socket.unref()));
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}
