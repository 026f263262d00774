import type { RunContext } from "./run.ts";

/** An immutable set of values that follows a request; structurally the OpenTelemetry API's. */
export interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

/** Keys of the active span and baggage. They are OpenTelemetry's own, so that both libraries see the same span. */
export const SPAN_KEY: symbol = /* @__PURE__ */ Symbol.for("OpenTelemetry Context Key SPAN");
export const OTEL_BAGGAGE_KEY: symbol = /* @__PURE__ */ Symbol.for("OpenTelemetry Baggage Key");

/** Keys of the run and of the baggage members of others. */
export const RUN_KEY: symbol = /* @__PURE__ */ Symbol.for("botanu.run.v1");
export const BAGGAGE_KEY: symbol = /* @__PURE__ */ Symbol.for("botanu.baggage.v1");

type Values = Readonly<Record<symbol, unknown>>;

// An object with symbol properties: engines copy and look up a handful of those faster than any map or list.
class ValuesContext implements Context {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  getValue(key: symbol): unknown {
    return this.#values[key];
  }

  setValue(key: symbol, value: unknown): Context {
    return new ValuesContext({ ...this.#values, [key]: value });
  }

  deleteValue(key: symbol): Context {
    return this.setValue(key, undefined);
  }
}

/** The context without values. */
export const ROOT_CONTEXT: Context = /* @__PURE__ */ new ValuesContext({});

/** The run of a context. */
export function getRun(context: Context): RunContext | undefined {
  return context.getValue(RUN_KEY) as RunContext | undefined;
}

/** A context with a run. */
export function setRun(context: Context, run: RunContext): Context {
  return context.setValue(RUN_KEY, run);
}

/** Baggage members of others, as they stood on the wire, in order. */
export function getForeignBaggage(context: Context): readonly string[] | undefined {
  return context.getValue(BAGGAGE_KEY) as readonly string[] | undefined;
}

/** A context with baggage members of others, as they stand on the wire. */
export function setForeignBaggage(context: Context, members: readonly string[]): Context {
  return context.setValue(BAGGAGE_KEY, members);
}
