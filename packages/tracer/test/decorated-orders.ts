// Standard decorators, which the test runner does not compile: `workflow.test.ts` does it by hand. The types are checked here.

import type { RunContext } from "@botanu/core";
import type { botanuWorkflow as BotanuWorkflow } from "../src/workflow.ts";

export interface Order {
  readonly id: string;
  readonly customer: string;
}

export interface OrdersApi {
  sync(order: Order): unknown[];
  later(order: Order): Promise<RunContext | undefined>;
  viaPrivate(order: Order): RunContext | undefined;
  plain(): string;
  steps(order: Order): Generator<RunContext | undefined>;
}

export interface OrdersClass {
  new (): OrdersApi;
  make(order: Order): unknown[];
}

/** Decorates every kind of method there is. */
export function defineOrders(
  botanuWorkflow: typeof BotanuWorkflow,
  activeRun: () => RunContext | undefined,
): OrdersClass {
  return class Orders implements OrdersApi {
    static #made = 0;
    #prefix = "p-";

    @botanuWorkflow("static_order", { eventId: (order: Order) => order.id })
    static make(order: Order): unknown[] {
      return [++Orders.#made, order, activeRun()];
    }

    @botanuWorkflow("sync_order", {
      eventId(this: Orders, order: Order) {
        return this.#prefix + order.id;
      },
      customerId: (order: Order) => order.customer,
    })
    sync(order: Order): unknown[] {
      return [this.#prefix, order, activeRun()];
    }

    @botanuWorkflow("later_order", { eventId: async (order: Order) => order.id })
    async later(order: Order): Promise<RunContext | undefined> {
      await Promise.resolve(order);
      return activeRun();
    }

    @botanuWorkflow("private_order", { eventId: (order: Order) => order.id })
    #hidden(_order: Order): RunContext | undefined {
      return activeRun();
    }

    viaPrivate(order: Order): RunContext | undefined {
      return this.#hidden(order);
    }

    @botanuWorkflow("plain_order")
    plain(): string {
      return this.#prefix;
    }

    @botanuWorkflow("order_steps", { eventId: (order: Order) => order.id })
    *steps(order: Order): Generator<RunContext | undefined> {
      yield activeRun();
      yield order && activeRun();
    }
  };
}

/** What the types refuse. Never called. */
export function defineMistakes(botanuWorkflow: typeof BotanuWorkflow): unknown {
  return class Mistakes {
    // @ts-expect-error The reader takes a number, the method gets an order.
    @botanuWorkflow("w", { eventId: (id: number) => String(id) })
    wrongArgument(order: Order): Order {
      return order;
    }

    // @ts-expect-error An id is a text or a number.
    @botanuWorkflow("w", { eventId: (order: Order) => order.id === "" })
    wrongResult(order: Order): Order {
      return order;
    }

    // @ts-expect-error The method is synchronous, so its ids cannot be awaited.
    @botanuWorkflow("w", { eventId: async (order: Order) => order.id })
    notAsync(order: Order): Order {
      return order;
    }

    // @ts-expect-error A field is no method.
    @botanuWorkflow("w")
    field = 1;
  };
}
