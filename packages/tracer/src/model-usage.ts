import { activeContext, type Context } from "@botanu/core";
import { type Check, checkedValue, isText } from "./checked-value.ts";
import { getSpan } from "./span.ts";
import type { Attributes } from "./types.ts";

/** One call of a language model. Token counts include cached tokens, as OpenTelemetry counts them. */
export interface ModelUsage {
  /** `chat`, `embeddings`, `generate_content`, `text_completion`, … */
  readonly operation?: string | undefined;
  /** `openai`, `anthropic`, `aws.bedrock`, `gcp.vertex_ai`, … */
  readonly provider?: string | undefined;
  readonly requestModel?: string | undefined;
  readonly responseModel?: string | undefined;
  readonly responseId?: string | undefined;
  readonly finishReasons?: readonly string[] | undefined;
  readonly conversationId?: string | undefined;
  readonly maxTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  /** All tokens that went in, those from and for a cache included. */
  readonly inputTokens?: number | undefined;
  /** All tokens that came out, those of reasoning included. */
  readonly outputTokens?: number | undefined;
  /** Tokens read from, and written to, the provider's cache. */
  readonly cacheReadTokens?: number | undefined;
  readonly cacheWriteTokens?: number | undefined;
  readonly reasoningTokens?: number | undefined;
}

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isSetting: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
const isTexts: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(isText);

/** Names of the GenAI conventions of OpenTelemetry, which are not stable yet. */
const FIELDS: ReadonlyArray<readonly [keyof ModelUsage, string, Check]> = [
  ["operation", "operation.name", isText],
  ["provider", "provider.name", isText],
  ["requestModel", "request.model", isText],
  ["responseModel", "response.model", isText],
  ["responseId", "response.id", isText],
  ["finishReasons", "response.finish_reasons", isTexts],
  ["conversationId", "conversation.id", isText],
  ["maxTokens", "request.max_tokens", isCount],
  ["temperature", "request.temperature", isSetting],
  ["topP", "request.top_p", isSetting],
  ["inputTokens", "usage.input_tokens", isCount],
  ["outputTokens", "usage.output_tokens", isCount],
  ["cacheReadTokens", "usage.cache_read.input_tokens", isCount],
  ["cacheWriteTokens", "usage.cache_write.input_tokens", isCount],
  ["reasoningTokens", "usage.reasoning.output_tokens", isCount],
];

/**
 * Puts a model call on the active span, as attributes `gen_ai.*`. Call it once per span: a second call overwrites, it does not add.
 * Never throws: a token count that is no whole number from 0, and whatever else has the wrong type, is left out with one warning per
 * field.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
export function recordModelUsage(usage: ModelUsage, context: Context = activeContext()): void {
  const attributes: Attributes = {};
  for (const [field, name, check] of FIELDS) {
    const value = checkedValue(usage, field, check);
    if (value !== undefined) attributes[`gen_ai.${name}`] = value;
  }
  if (Object.keys(attributes).length > 0) getSpan(context)?.setAttributes(attributes);
}
