// The program of the store's thread.

import { parentPort, workerData } from "node:worker_threads";

import { CommandError } from "./command-error.ts";
import { IngestError, ingest } from "./ingest.ts";
import { RunStore } from "./run-store.ts";
import type { StoreReply, StoreRequest, StoreThreadData } from "./store-thread.ts";

const port = parentPort;
if (port === null) throw new Error("this is the program of a thread");

const say = (reply: StoreReply): void => port.postMessage(reply);

try {
  serve(new RunStore(workerData as StoreThreadData));
} catch (error) {
  const hint = error instanceof CommandError ? error.hint : "--db names another file";
  say({ broken: error instanceof Error ? error.message : String(error), hint });
  port.close();
}

function serve(store: RunStore): void {
  port?.on("message", (request: StoreRequest) => {
    if ("close" in request) {
      store.close();
      port?.close();
      return;
    }
    const { id, format, body } = request;
    try {
      say({ id, result: ingest(store, format, body) });
    } catch (error) {
      const kind = error instanceof IngestError ? error.kind : "write";
      say({ id, kind, message: error instanceof Error ? error.message : String(error) });
    }
  });
  say({ ready: true });
}
