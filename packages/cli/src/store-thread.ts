// The store's own thread: writing a batch takes milliseconds, in which the receiver has to go on answering.

import { Worker } from "node:worker_threads";

import { CommandError } from "./command-error.ts";
import { type BodyFormat, IngestError, type IngestResult, type Ingestor } from "./ingest.ts";
import type { StoreLimitOptions } from "./store-pruner.ts";

/** What the thread is started with. */
export interface StoreThreadData {
  readonly path: string;
  readonly limits: StoreLimitOptions;
}

/** A body to store, or the request to end. */
export type StoreRequest =
  | { readonly id: number; readonly format: BodyFormat; readonly body: Uint8Array }
  | { readonly close: true };

/** What the thread says: that it is there or cannot be, and what became of each body. */
export type StoreReply =
  | { readonly ready: true }
  | { readonly broken: string; readonly hint: string }
  | { readonly id: number; readonly result: IngestResult }
  | { readonly id: number; readonly kind: IngestError["kind"]; readonly message: string };

interface Waiting {
  readonly resolve: (result: IngestResult) => void;
  readonly reject: (error: Error) => void;
}

// Beside a source file the thread's program is one too; in the build product it is the file that was built.
const PROGRAM = new URL(import.meta.url.endsWith(".ts") ? "./store-worker.ts" : "./store-worker.js", import.meta.url);

/** Keeps a thread that writes the store, and starts it anew when it ended by itself. */
export class StoreThread implements Ingestor {
  readonly #data: StoreThreadData;
  readonly #program: URL;
  readonly #waiting: Map<number, Waiting> = new Map();
  #worker: Promise<Worker> | undefined;
  #nextId = 0;
  #closed = false;

  private constructor(data: StoreThreadData, program: URL) {
    this.#data = data;
    this.#program = program;
  }

  /** @throws {CommandError} when the store cannot be opened */
  static async start(data: StoreThreadData, program: URL = PROGRAM): Promise<StoreThread> {
    const thread = new StoreThread(data, program);
    await thread.#running();
    return thread;
  }

  async ingest(format: BodyFormat, body: Uint8Array): Promise<IngestResult> {
    if (this.#closed) throw new IngestError("write", "the store is closed");
    let worker: Worker;
    try {
      worker = await this.#running();
    } catch (error) {
      throw new IngestError("write", error instanceof Error ? error.message : String(error));
    }
    const id = (this.#nextId += 1);
    const owned = ownBytes(body);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, format, body: owned } satisfies StoreRequest, [owned.buffer]);
    });
  }

  /** Writes what was handed over, closes the file and ends the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = await this.#worker?.catch(() => undefined);
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    worker.postMessage({ close: true } satisfies StoreRequest);
    await ended;
  }

  #running(): Promise<Worker> {
    this.#worker ??= this.#start().catch((error: unknown) => {
      this.#worker = undefined;
      throw error;
    });
    return this.#worker;
  }

  #start(): Promise<Worker> {
    const worker = new Worker(this.#program, { workerData: this.#data, execArgv: [] });
    return new Promise((resolve, reject) => {
      let failure = "the store's thread ended";
      worker.on("message", (reply: StoreReply) => {
        if ("ready" in reply) resolve(worker);
        else if ("broken" in reply) reject(new CommandError(reply.broken, reply.hint));
        else this.#answer(reply);
      });
      worker.on("error", (error) => {
        failure = `the store's thread failed: ${error instanceof Error ? error.message : String(error)}`;
      });
      worker.once("exit", () => {
        this.#worker = undefined;
        reject(new CommandError(failure));
        for (const { reject: refuse } of this.#waiting.values()) refuse(new IngestError("write", failure));
        this.#waiting.clear();
      });
    });
  }

  #answer(reply: Exclude<StoreReply, { ready: true } | { broken: string }>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("result" in reply) waiting?.resolve(reply.result);
    else waiting?.reject(new IngestError(reply.kind, reply.message));
  }
}

/** Bytes that can change hands without a copy; a view into a shared pool is copied. */
function ownBytes(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = body;
  const whole = buffer instanceof ArrayBuffer && body.byteLength === buffer.byteLength;
  return whole ? new Uint8Array(buffer) : new Uint8Array(body);
}
