// What a demonstration is made of, and what is different in each of its variants.

export const BREAKS = ["baggage", "flush", "sampling"] as const;
export type Break = (typeof BREAKS)[number];

export interface Scenario {
  readonly name: string;
  /** Services run under the stock OpenTelemetry agent instead of ours. */
  readonly stock: boolean;
  readonly broken: Break | undefined;
  /** One sentence: what was done, before the tree shows what came of it. */
  readonly what: string;
}

export const AS_INTENDED: Scenario = {
  name: "demo",
  stock: false,
  broken: undefined,
  what: "a Worker in workerd, a Lambda function, a queue, and two services without a line about tracing",
};

export const STOCK: Scenario = {
  name: "demo --stock",
  stock: true,
  broken: undefined,
  what: "the same, with both services under the stock OpenTelemetry agent: it forwards baggage and writes none of it on spans",
};

const BROKEN: Readonly<Record<Break, string>> = {
  baggage:
    "a gateway between the function and the orders service forwards traceparent and drops the headers it does not know",
  flush: "the entry Worker answers and is gone: its spans are made, and never sent",
  sampling: "the caller's traceparent says «not sampled», and the entry Worker was told to obey it",
};

export function brokenScenario(broken: Break): Scenario {
  return { name: `demo --break ${broken}`, stock: false, broken, what: BROKEN[broken] };
}

export function isBreak(text: string): text is Break {
  return (BREAKS as readonly string[]).includes(text);
}
