import { describe, expect, it } from "vitest";
import { extractEnvelope, injectAttributes, injectEnvelope } from "./envelope.ts";
import { createRun } from "./run.ts";

const run = createRun({ workflow: "order" });

describe("a body", () => {
  it("carries the run in its reserved member, and stays as it was", () => {
    const body = Object.freeze({ id: 7 });
    const sent = injectEnvelope(body, { run });
    expect(sent).toMatchObject({ id: 7, _botanu: { baggage: expect.stringContaining(run.runId) } });
    expect(extractEnvelope(JSON.parse(JSON.stringify(sent)), { trust: true }).run).toEqual(run);
    expect(extractEnvelope(sent).run).toBeUndefined();
  });

  it("may be an object without a prototype", () => {
    const sent = injectEnvelope(Object.create(null) as object, { run });
    expect(extractEnvelope(sent, { trust: true }).run).toEqual(run);
  });

  it.each([[[1, 2]], [new Date(0)], [new Map()], [new (class Order {})()]])(
    "that is no plain object is sent as it is: %j",
    (body) => {
      expect(injectEnvelope(body, { run })).toBe(body);
    },
  );

  it.each([undefined, null, "text", 7, [], {}, { _botanu: null }, { _botanu: "baggage" }, { _botanu: [] }])(
    "without an envelope has no run: %j",
    (body) => {
      expect(extractEnvelope(body, { trust: true })).toMatchObject({ run: undefined, spanContext: undefined });
    },
  );
});

describe("message attributes", () => {
  it("are ten at most, and what is there is not put out", () => {
    const attributes = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`a${index}`, {}]));
    injectAttributes({ run }, attributes);
    expect(Object.keys(attributes)).toHaveLength(10);
    expect(attributes).not.toHaveProperty("baggage");
  });

  it("replace their own of before", () => {
    const attributes: Record<string, unknown> = { baggage: { DataType: "String", StringValue: "old=1" } };
    for (let index = 0; index < 9; index++) attributes[`a${index}`] = {};
    injectAttributes({ run }, attributes);
    expect(attributes["baggage"]).toEqual({ DataType: "String", StringValue: expect.stringContaining(run.runId) });
  });
});
