export { OtlpTraceExporter, type ExportResult, type OtlpExporterStats } from "./exporter.ts";
export { OtlpExportError, type DropReason, type OtlpErrorCode } from "./error.ts";
export { jsonSerializer } from "./json.ts";
export type { HeaderRecord, OtlpExporterOptions } from "./options.ts";
export type { ExportReply, Serializer } from "./serializer.ts";
export type {
  Attributes,
  HrTime,
  InstrumentationScope,
  Link,
  ReadableSpan,
  Resource,
  SpanContext,
  SpanStatus,
  TimedEvent,
} from "./span.ts";
