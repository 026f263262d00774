import { describe, expect, it } from "vitest";
import { recordEachTest } from "../test/recording.ts";
import { type ModelUsage, recordModelUsage } from "./model-usage.ts";
import { withRun } from "./run.ts";
import { setSpan } from "./span.ts";
import { step } from "./step.ts";
import type { Attributes } from "./types.ts";

const recorder = recordEachTest();

function genAi(index: number): Attributes {
  const entries = Object.entries(recorder.spans[index]?.attributes ?? {});
  return Object.fromEntries(entries.filter(([key]) => key.startsWith("gen_ai.")));
}

describe("recordModelUsage", () => {
  it("puts the call on the active span, under OpenTelemetry's names", () => {
    withRun({ workflow: "w" }, () =>
      step("answer", () =>
        recordModelUsage({
          operation: "chat",
          provider: "openai",
          requestModel: "gpt-5",
          responseModel: "gpt-5-2026-01-01",
          responseId: "resp_1",
          finishReasons: ["stop"],
          conversationId: "conv_1",
          maxTokens: 400,
          temperature: 0,
          topP: 0.5,
          inputTokens: 812,
          outputTokens: 0,
          cacheReadTokens: 640,
          cacheWriteTokens: 12,
          reasoningTokens: 64,
        }),
      ),
    );
    expect(genAi(0)).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-5",
      "gen_ai.response.model": "gpt-5-2026-01-01",
      "gen_ai.response.id": "resp_1",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.conversation.id": "conv_1",
      "gen_ai.request.max_tokens": 400,
      "gen_ai.request.temperature": 0,
      "gen_ai.request.top_p": 0.5,
      "gen_ai.usage.input_tokens": 812,
      "gen_ai.usage.output_tokens": 0,
      "gen_ai.usage.cache_read.input_tokens": 640,
      "gen_ai.usage.cache_write.input_tokens": 12,
      "gen_ai.usage.reasoning.output_tokens": 64,
    });
    expect(genAi(1)).toEqual({});
    expect(recorder.warnings).toEqual([]);
  });

  it("puts it on the span of the given context", () => {
    const span = recorder.tracer.startSpan("chat");
    withRun({ workflow: "w" }, (_, context) => recordModelUsage({ inputTokens: 1 }, setSpan(context, span)));
    span.end();
    expect([genAi(0), genAi(1)]).toEqual([{}, { "gen_ai.usage.input_tokens": 1 }]);
  });

  it.each<[keyof ModelUsage, unknown]>([
    ["inputTokens", "812"],
    ["inputTokens", -1],
    ["inputTokens", 1.5],
    ["outputTokens", Number.NaN],
    ["outputTokens", Infinity],
    ["cacheReadTokens", 2 ** 53],
    ["reasoningTokens", 1n],
    ["temperature", -0.1],
    ["topP", "0.5"],
    ["provider", ""],
    ["requestModel", { name: "gpt" }],
    ["finishReasons", "stop"],
    ["finishReasons", []],
    ["finishReasons", ["stop", 1]],
  ])("leaves out %s of %o, and says so once", (field, value) => {
    withRun({ workflow: "w" }, () => {
      for (let i = 0; i < 3; i++) recordModelUsage({ operation: "chat", [field]: value } as ModelUsage);
    });
    expect(genAi(0)).toEqual({ "gen_ai.operation.name": "chat" });
    expect(recorder.warnings).toEqual([expect.stringContaining(field)]);
  });

  it.each([undefined, null, "chat", 7])("takes %s for nothing", (usage) => {
    withRun({ workflow: "w" }, () => recordModelUsage(usage as never));
    expect(genAi(0)).toEqual({});
  });

  it("changes nothing where there is no span", () => {
    expect(() => recordModelUsage({ inputTokens: 1 })).not.toThrow();
  });
});
