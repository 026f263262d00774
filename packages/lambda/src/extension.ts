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

export class InternalExtension {
  readonly #address: string;
  readonly #agent: Agent;
  /** By request: what is to be done for it, once both the platform and the handler have named it. */
  readonly #handed = new Map<string, Work>();
  readonly #awaited = new Map<string, (work: Work) => void>();
  #isPolling = false;
  /** Resolves when it is known whether there is an extension. */
  readonly ready: Promise<boolean>;

  /** Registers at once, which the platform allows during initialization alone. */
  constructor(address: string) {
    this.#address = address;
    this.#agent = new (nodeHttp("http").Agent)({ keepAlive: true, maxSockets: 1 });
    this.ready = this.#register();
  }

  /** Whether the invocation that comes next will be held open for work. */
  get isReady(): boolean {
    return this.#isPolling;
  }

  /** Hands over work of a request for after its answer. Only for one that began while {@link isReady}. */
  handOver(requestId: string, work: Work): void {
    const take = this.#awaited.get(requestId);
    if (take) take(work);
    else this.#handed.set(requestId, work);
  }

  async #register(): Promise<boolean> {
    try {
      const { status, identifier } = await this.#ask(
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
        const { status, body } = await this.#ask("GET", "event/next", { "lambda-extension-identifier": identifier });
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
    let timer: ReturnType<typeof setTimeout> | undefined;
    const handed = this.#handed.get(requestId);
    this.#handed.delete(requestId);
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadlineMs - Date.now()));
      timer.unref();
    });
    const named = handed
      ? Promise.resolve(handed)
      : new Promise<Work>((resolve) => this.#awaited.set(requestId, resolve));
    await Promise.race([named.then((work) => work()), over]).catch(() => undefined);
    clearTimeout(timer);
    this.#awaited.delete(requestId);
  }

  #ask(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Reply> {
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
      // A handler with a callback answers when nothing keeps the process alive: a poll must not.
      outgoing.on("socket", (socket) => socket.unref());
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}
