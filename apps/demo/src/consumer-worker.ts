// The other end of the queue, a Worker of its own. A message carries its run; the first delivery is refused.

import { forEachMessage, instrument, type MessageBatch, outgoingFetch } from "@botanu/workers";

interface Bindings {
  readonly NOTIFY_API: string;
  readonly COLLECTOR: string;
}

interface Order {
  readonly id: string;
}

export default instrument(
  {
    async queue(batch: MessageBatch, env: Bindings): Promise<void> {
      await forEachMessage(batch as MessageBatch<Order>, async (message) => {
        if (message.attempts === 1) throw new Error("the mail gateway is not ready");
        const response = await outgoingFetch(`${env.NOTIFY_API}/notify/${message.body.id}`, { method: "POST" });
        if (!response.ok) throw new Error(`notify answered ${response.status}`);
      });
    },
  },
  (env: Bindings) => ({ serviceName: "orders-consumer", environment: "demo", endpoint: env.COLLECTOR }),
);
