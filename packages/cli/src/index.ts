export type { AttemptGroup, AttemptRule } from "./attempts.ts";
export { CommandError } from "./command-error.ts";
export {
  type CoverageCount,
  type CoverageFinding,
  type CoverageOptions,
  type CoverageReport,
  type ServiceCoverage,
  coverageReport,
} from "./coverage.ts";
export type { CoverageRule } from "./coverage-advice.ts";
export { formatCoverage } from "./format-coverage.ts";
export { type FormatRunOptions, formatRun } from "./format-run.ts";
export type { IngestResult, Ingestor } from "./ingest.ts";
export { decodeJson } from "./otlp-json.ts";
export { decodeProtobuf } from "./otlp-protobuf.ts";
export { type Receiver, type ReceiverOptions, startReceiver } from "./receiver.ts";
export { type CoverageFilter, RunStore, type RunStoreOptions } from "./run-store.ts";
export {
  type AttemptsNode,
  type Lane,
  type NestedNode,
  type RunTree,
  type SpanNode,
  type TreeNode,
  runTree,
} from "./run-tree.ts";
export type { DecodedSpans, SpanRow } from "./span-row.ts";
export type { StoreLimitOptions } from "./store-pruner.ts";
export type { RunData, RunFilter, RunRecord, RunSummary, StoreStats, TailedSpan } from "./store-reader.ts";
export type { SpanEvent, SpanLink, StoredSpan } from "./stored-span.ts";
export { type Paint, type Screen, createPaint, screenOf } from "./terminal.ts";
