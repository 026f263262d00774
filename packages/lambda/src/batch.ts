// Batches: what each record brought along, whose run it belongs to, and the records one by one.

import { type Context, type Extracted, extract, isTrusted, withContext } from "@botanu/core";
import {
  activeTracer,
  type Awaitable,
  type BotanuTracer,
  type Entry,
  type EntryOptions,
  type Link,
  rememberEntry,
  SpanKind,
  startEntry,
} from "@botanu/tracer";
import { describeEvent, type EventDescription, type EventRecord } from "./event.ts";
import type { Json } from "./platform.ts";
import { parseXRayHeader } from "./xray.ts";

const RECEIVED_KEY: unique symbol = /* @__PURE__ */ Symbol.for("botanu.lambda.records.v1");

/** A record, and what came with it. */
interface Received {
  readonly record: EventRecord;
  readonly extracted: Extracted;
}

/** A batch as its handler was given it. */
export interface ReceivedBatch {
  readonly tracer: BotanuTracer;
  readonly options: EntryOptions<never>;
  readonly description: EventDescription;
  readonly records: readonly Received[];
  context?: Context | undefined;
}

/** Reads what every record brought along. */
export function receiveBatch(
  tracer: BotanuTracer,
  options: EntryOptions<never>,
  description: EventDescription,
  event: unknown,
): ReceivedBatch {
  const trust = isTrusted(options.trust, event as never, true);
  const records = (description.records ?? []).map((record) => ({
    record,
    extracted: extract(record.carrier, { trust }),
  }));
  return { tracer, options, description, records };
}

/** Lets {@link forEachRecord} find what was read. */
export function rememberBatch(event: object, batch: ReceivedBatch): void {
  Reflect.defineProperty(event, RECEIVED_KEY, { value: batch, configurable: true });
}

/** The run that all records share; none where they are of several, or where one has none. */
export function sharedRun({ records }: ReceivedBatch): Extracted["run"] {
  const run = records[0]?.extracted.run;
  return run && records.every(({ extracted }) => extracted.run?.runId === run.runId) ? run : undefined;
}

/** One link per record that was sent in a trace. */
export function linksOf({ records }: ReceivedBatch): Link[] {
  return records.flatMap(linkOf);
}

function linkOf({ record, extracted }: Received): Link[] {
  const context = extracted.spanContext ?? parseXRayHeader(record.xray);
  if (!context) return [];
  const attributes: Link["attributes"] = {};
  if (record.id) attributes["messaging.message.id"] = record.id;
  const runId = extracted.run?.runId;
  if (runId) attributes["botanu.run_id"] = runId;
  return [{ context, attributes }];
}

/** How {@link forEachRecord} goes about. */
export interface RecordOptions {
  /** Records that are worked on at once. Default 1. Sources that keep an order go one by one whatever this says. */
  readonly concurrency?: number | undefined;
}

/** What a handler of a batch returns, so that only what failed comes again. */
export interface BatchResponse {
  readonly batchItemFailures: Array<{ itemIdentifier: string }>;
}

/**
 * Calls `fn` for each record of a batch, in a consumer span of its own below the invocation's, in the run that the record belongs to. Give
 * back what this resolves to: records whose `fn` threw come again, the others do not. Of a source that keeps an order nothing after the
 * first failure is called, and all of that comes again.
 *
 * Rejects with the first error where the source takes no partial failures (SNS, S3, Kafka, Firehose).
 */
export async function forEachRecord<R = Json>(
  event: object,
  fn: (record: R, context: Context) => Awaitable<unknown>,
  { concurrency = 1 }: RecordOptions = {},
): Promise<BatchResponse> {
  const batch =
    (event as { [RECEIVED_KEY]?: ReceivedBatch })[RECEIVED_KEY] ??
    receiveBatch(activeTracer(), {}, describeEvent(event), event);
  const failures = new Map<Received, unknown>();
  const ordered = batch.records.some(({ record }) => record.ordered);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let each; (each = batch.records[next++]) && !(ordered && failures.size > 0);) {
      try {
        await carryOut(batch, each, fn as (record: Json, context: Context) => unknown);
      } catch (error) {
        failures.set(each, error);
      }
    }
  };
  await Promise.all(Array.from({ length: ordered ? 1 : Math.max(1, Math.floor(concurrency)) }, lane));
  return responseOf(batch, failures, ordered);
}

function responseOf(batch: ReceivedBatch, failures: ReadonlyMap<Received, unknown>, ordered: boolean): BatchResponse {
  const [first] = failures.keys();
  if (first && first.record.failureId === undefined) throw failures.get(first);
  const from = ordered && first ? batch.records.indexOf(first) : batch.records.length;
  const again = batch.records.filter((each, index) => failures.has(each) || index >= from);
  return { batchItemFailures: again.map(({ record }) => ({ itemIdentifier: record.failureId ?? "" })) };
}

async function carryOut(
  batch: ReceivedBatch,
  received: Received,
  fn: (record: Json, context: Context) => unknown,
): Promise<void> {
  const { record, extracted } = received;
  const { "messaging.batch.message_count": _count, ...attributes } = batch.description.attributes;
  if (record.id) attributes["messaging.message.id"] = record.id;
  const start = {
    name: batch.description.name ?? "process",
    kind: SpanKind.CONSUMER,
    attributes,
    links: linkOf(received),
    ...(batch.context && { context: batch.context }),
  };
  // Below the invocation, which the record came with, and linked to its sender, who may have been done for hours.
  const { run, baggage } = extracted;
  const options = batch.options as EntryOptions<Json>;
  const entry: Entry = await startEntry(
    batch.tracer,
    undefined,
    () => ({ run, baggage }),
    record.source,
    options,
    start,
  );
  rememberEntry(record.source, entry);
  try {
    await withContext(entry.context, () => fn(record.source, entry.context));
    entry.end();
  } catch (error) {
    entry.end(error === undefined ? { status: "failure" } : { error });
    throw error;
  }
}
