import type { AddressInfo, Server } from "node:net";

import type { HarnessApp } from "./instruction.ts";

/** A server of Node as a harness app, once it listens. */
export async function listening(server: Server & { closeAllConnections?(): void }): Promise<HarnessApp> {
  if (!server.listening) {
    await new Promise<void>((resolve, reject) => server.once("listening", resolve).once("error", reject));
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections?.();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
