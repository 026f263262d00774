import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunStore, startReceiver } from "@botanu/cli";
import { type Edge, startEdge } from "./edge.ts";
import { type DemoFunction, startFunction } from "./function.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import type { Scenario } from "./scenario.ts";
import { type Services, startServices } from "./services.ts";

/** Everything of the demo, up and running, with the store that its spans arrive in. */
export interface Story {
  readonly entry: URL;
  readonly collector: string;
  readonly database: string;
  readonly readyMillis: number;
  /** Sends one order and resolves when everything that it set off has been silent for a while. */
  placeOrder(): Promise<PlacedOrder>;
  /** The stored spans; opened anew, as the command line does. With `aheadMillis` the report is one of that much later. */
  openStore(aheadMillis?: number): RunStore;
  stop(): Promise<void>;
}

export interface PlacedOrder {
  readonly status: number;
  readonly runId: string | undefined;
}

const QUIET_MILLIS = 1_500;
const GIVE_UP_MILLIS = 20_000;
const POLL_MILLIS = 50;

/** Starts receiver, services, gateway where one is wanted, function and both Workers; whatever started is ended when one of them does not. */
export async function startStory(scenario: Scenario): Promise<Story> {
  const started = Date.now();
  const folder = mkdtempSync(join(tmpdir(), "botanu-demo-"));
  const database = join(folder, "runs.db");
  const receiver = await startReceiver({ port: 0, db: database });
  const ending: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true }), () => receiver.close()];
  const stop = async (): Promise<void> => {
    for (const end of ending.splice(0).reverse()) await end();
  };
  try {
    const services: Services = await startServices({ collector: receiver.url, stock: scenario.stock });
    ending.push(() => services.stop());
    let ordersApi = services.orders.url;
    if (scenario.broken === "baggage") {
      const gateway: Gateway = await startGateway(ordersApi);
      ending.push(() => gateway.stop());
      ordersApi = gateway.url;
    }
    const intake: DemoFunction = await startFunction({ name: "orders-intake", collector: receiver.url, ordersApi });
    ending.push(() => intake.stop());
    const edge: Edge = await startEdge({
      intake: intake.url,
      notifyApi: services.notify.url,
      collector: receiver.url,
      broken: scenario.broken ?? "",
    });
    ending.push(() => edge.stop());
    const openStore = (aheadMillis = 0): RunStore =>
      new RunStore({ path: database, readOnly: true, now: () => Date.now() + aheadMillis });
    return {
      entry: new URL("/orders", edge.url),
      collector: receiver.url,
      database,
      readyMillis: Date.now() - started,
      placeOrder: () => placeOrder(edge.url, scenario, openStore),
      openStore,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function placeOrder(edge: URL, scenario: Scenario, openStore: () => RunStore): Promise<PlacedOrder> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (scenario.broken === "sampling")
    headers.traceparent = `00-${randomUUID().replaceAll("-", "")}-00f067aa0ba902b7-00`;
  const body = JSON.stringify({ id: `order-${randomUUID().slice(0, 8)}`, customer: "acme" });
  const response = await fetch(new URL("/orders", edge), { method: "POST", headers, body });
  await response.text();
  await silence(openStore);
  return { status: response.status, runId: response.headers.get("x-botanu-run-id") ?? undefined };
}

/** Waits until no span has arrived for a while: the queue's second delivery comes when it comes. */
async function silence(openStore: () => RunStore): Promise<void> {
  const store = openStore();
  try {
    const started = Date.now();
    let count = -1;
    let changed = started;
    while (Date.now() - changed < QUIET_MILLIS && Date.now() - started < GIVE_UP_MILLIS) {
      const { spans } = store.stats();
      if (spans !== count) changed = Date.now();
      count = spans;
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
    }
  } finally {
    store.close();
  }
}
