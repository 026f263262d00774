// What an event is, by its shape alone: each source of events is a row of a table, and the first row that fits describes it.

import type { Carrier } from "@botanu/core";
import { type Attributes, serverAttributes, serverSpanName } from "@botanu/tracer";
import {
  dataCarrier,
  directCarrier,
  dynamoDbCarrier,
  eventBridgeCarrier,
  headersOf,
  kafkaCarrier,
  snsCarrier,
  sqsCarrier,
} from "./carrier.ts";
import { isObject, type Json, listOf, objectOf, textOf } from "./platform.ts";

/** One record of a batch. */
export interface EventRecord {
  /** As it is in the event. */
  readonly source: Json;
  readonly carrier: Carrier;
  /** Id of the message, where it has one. */
  readonly id?: string | undefined;
  /** What a partial failure names it by; undefined where the source takes none. */
  readonly failureId?: string | undefined;
  /** An X-Ray header that came with it. */
  readonly xray?: string | undefined;
  /** Records of one group must not overtake each other. */
  readonly ordered: boolean;
}

/** What is known of an event before its handler runs. */
export interface EventDescription {
  /** `faas.trigger`. */
  readonly trigger: "datasource" | "http" | "other" | "pubsub" | "timer";
  readonly attributes: Attributes;
  /** What its sender wrote; absent in a batch, whose records have theirs. */
  readonly carrier?: Carrier | undefined;
  readonly records?: readonly EventRecord[] | undefined;
  /** Name of the span. Default: the function's. */
  readonly name?: string | undefined;
  /** Of an HTTP request: by them its outcome is named. */
  readonly method?: string | undefined;
  readonly route?: string | undefined;
}

type Describe = (event: Json, clientContext: unknown) => EventDescription | undefined;

const PROCESS = { "messaging.operation.type": "process", "messaging.operation.name": "process" };

/** The last part of an ARN. */
function nameInArn(arn: string | undefined): string {
  return arn?.split(/[:/]/).at(-1) ?? "";
}

function http(event: Json, method: string, path: string, query: string, route: string | undefined): EventDescription {
  const carrier = headersOf(event);
  const header = (name: string): string => {
    const headers = carrier as Record<string, unknown>;
    const key = Object.keys(headers).find((each) => each.toLowerCase() === name);
    const value = key === undefined ? undefined : headers[key];
    return String((Array.isArray(value) ? value[0] : value) ?? "");
  };
  const url = `${header("x-forwarded-proto") || "https"}://${header("host")}${path}${query && `?${query}`}`;
  const attributes = serverAttributes(method, url, header("user-agent"));
  if (route) attributes["http.route"] = route;
  return { trigger: "http", attributes, carrier, method, route, name: serverSpanName(method, route) };
}

/** The query of the forms that have it taken apart. */
function queryOf(event: Json): string {
  const many = objectOf(event, "multiValueQueryStringParameters");
  const given = many ?? objectOf(event, "queryStringParameters") ?? {};
  const pairs = Object.entries(given).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => `${key}=${String(each)}`),
  );
  return pairs.join("&");
}

/** API Gateway with payloads of version 2, and function URLs. */
const httpV2: Describe = (event) => {
  const request = objectOf(objectOf(event, "requestContext"), "http");
  if (!request) return undefined;
  const [, route] = /^\S+ (\/\S*)$/.exec(textOf(event, "routeKey") ?? "") ?? [];
  const path = textOf(event, "rawPath") ?? textOf(request, "path") ?? "/";
  return http(event, textOf(request, "method") ?? "GET", path, textOf(event, "rawQueryString") ?? "", route);
};

/** API Gateway with payloads of version 1, and load balancers. */
const httpV1: Describe = (event) => {
  const method = textOf(event, "httpMethod");
  if (!method) return undefined;
  return http(event, method, textOf(event, "path") ?? "/", queryOf(event), textOf(event, "resource"));
};

const webSocket: Describe = (event) => {
  const context = objectOf(event, "requestContext");
  const type = textOf(context, "eventType");
  if (!textOf(context, "connectionId") || !type) return undefined;
  const attributes = { "network.protocol.name": "websocket" };
  return {
    trigger: "http",
    attributes,
    carrier: headersOf(event),
    name: `${type} ${textOf(context, "routeKey") ?? ""}`,
  };
};

const appSync: Describe = (event) => {
  const info = objectOf(event, "info");
  const request = objectOf(event, "request");
  const field = textOf(info, "fieldName");
  if (!request || !field) return undefined;
  const type = textOf(info, "parentTypeName") ?? "Query";
  const attributes = { "graphql.operation.type": type.toLowerCase(), "graphql.operation.name": field };
  return { trigger: "http", attributes, carrier: headersOf(request), name: `${type}.${field}` };
};

const cognito: Describe = (event) => {
  const source = textOf(event, "triggerSource");
  const request = objectOf(event, "request");
  if (!source || !request) return undefined;
  const carrier = (objectOf(request, "clientMetadata") ?? {}) as Carrier;
  return { trigger: "other", attributes: { "aws.cognito.trigger_source": source }, carrier };
};

interface Source {
  readonly system: string;
  readonly destination: (record: Json) => string;
  readonly trigger?: EventDescription["trigger"];
  readonly record: (record: Json) => Omit<EventRecord, "source">;
}

const SOURCES: Readonly<Record<string, Source>> = {
  "aws:sqs": {
    system: "aws_sqs",
    destination: (record) => nameInArn(textOf(record, "eventSourceARN")),
    record: (record) => ({
      carrier: sqsCarrier(record),
      id: textOf(record, "messageId"),
      failureId: textOf(record, "messageId"),
      xray: textOf(objectOf(record, "attributes"), "AWSTraceHeader"),
      ordered: textOf(record, "eventSourceARN")?.endsWith(".fifo") ?? false,
    }),
  },
  "aws:sns": {
    system: "aws_sns",
    destination: (record) => nameInArn(textOf(objectOf(record, "Sns"), "TopicArn")),
    record: (record) => ({
      carrier: snsCarrier(record),
      id: textOf(objectOf(record, "Sns"), "MessageId"),
      ordered: false,
    }),
  },
  "aws:kinesis": {
    system: "aws_kinesis",
    destination: (record) => nameInArn(textOf(record, "eventSourceARN")),
    record: (record) => {
      const kinesis = objectOf(record, "kinesis");
      const id = textOf(kinesis, "sequenceNumber");
      return { carrier: dataCarrier(kinesis?.["data"]), id, failureId: id, ordered: true };
    },
  },
  "aws:dynamodb": {
    system: "aws_dynamodb",
    trigger: "datasource",
    destination: (record) => textOf(record, "eventSourceARN")?.split("/")[1] ?? "",
    record: (record) => {
      const id = textOf(objectOf(record, "dynamodb"), "SequenceNumber");
      return { carrier: dynamoDbCarrier(record), id: textOf(record, "eventID"), failureId: id, ordered: true };
    },
  },
  "aws:s3": {
    system: "aws_s3",
    trigger: "datasource",
    destination: (record) => textOf(objectOf(objectOf(record, "s3"), "bucket"), "name") ?? "",
    record: () => ({ carrier: {}, ordered: false }),
  },
};

function batch(
  { system, trigger = "pubsub" }: Pick<Source, "system" | "trigger">,
  destination: string,
  records: readonly EventRecord[],
): EventDescription {
  const attributes: Attributes =
    trigger === "pubsub"
      ? { "messaging.system": system, "messaging.destination.name": destination, ...PROCESS }
      : { "faas.document.collection": destination };
  if (trigger === "pubsub") attributes["messaging.batch.message_count"] = records.length;
  return { trigger, attributes, records, name: `process ${destination}` };
}

/** SQS, SNS, Kinesis, DynamoDB and S3. */
const records: Describe = (event) => {
  const list = listOf(event, "Records");
  const [first] = list;
  const source = first && SOURCES[textOf(first, "eventSource") ?? textOf(first, "EventSource") ?? ""];
  if (!source) return undefined;
  const described = list.map((record) => ({ ...source.record(record), source: record }));
  return batch(source, source.destination(first), described);
};

const kafka: Describe = (event) => {
  const topics = objectOf(event, "records");
  if (!topics || !/kafka/i.test(textOf(event, "eventSource") ?? "")) return undefined;
  const list = Object.keys(topics).flatMap((name) => listOf(topics, name));
  const described = list.map((record) => ({
    source: record,
    carrier: kafkaCarrier(record),
    id: `${textOf(record, "topic") ?? ""}-${String(record["partition"])}-${String(record["offset"])}`,
    ordered: true,
  }));
  return batch({ system: "kafka" }, textOf(list[0], "topic") ?? "", described);
};

const firehose: Describe = (event) => {
  const arn = textOf(event, "deliveryStreamArn");
  if (!arn) return undefined;
  const described = listOf(event, "records").map((record) => ({
    source: record,
    carrier: dataCarrier(record["data"]),
    id: textOf(record, "recordId"),
    ordered: false,
  }));
  return batch({ system: "aws_firehose" }, nameInArn(arn), described);
};

/** EventBridge, its schedules, and alarms. */
const eventBridge: Describe = (event) => {
  const type = textOf(event, "detail-type");
  const source = textOf(event, "source");
  if (!type || !source) return undefined;
  const carrier = eventBridgeCarrier(event);
  if (type === "Scheduled Event") {
    const attributes: Attributes = {};
    const time = textOf(event, "time");
    if (time) attributes["faas.time"] = time;
    return { trigger: "timer", attributes, carrier };
  }
  const attributes: Attributes = {
    "messaging.system": "aws_eventbridge",
    "messaging.destination.name": source,
    ...PROCESS,
  };
  const id = textOf(event, "id");
  if (id) attributes["messaging.message.id"] = id;
  return { trigger: "pubsub", attributes, carrier, name: `process ${source}` };
};

const logs: Describe = (event) =>
  textOf(objectOf(event, "awslogs"), "data") === undefined
    ? undefined
    : { trigger: "pubsub", attributes: { "messaging.system": "aws_cloudwatch_logs" }, carrier: {} };

/** What fits no other row was sent by a caller of the function. */
const direct: Describe = (event, clientContext) => ({
  trigger: "other",
  attributes: {},
  carrier: directCarrier(event, clientContext),
});

const TABLE: readonly Describe[] = [
  httpV2,
  httpV1,
  webSocket,
  appSync,
  cognito,
  records,
  kafka,
  firehose,
  eventBridge,
  logs,
  direct,
];

/** Describes an event of any source. Never throws. */
export function describeEvent(event: unknown, clientContext?: unknown): EventDescription {
  const given = isObject(event) ? event : {};
  for (const describe of TABLE) {
    try {
      const found = describe(given, clientContext);
      if (found) return found;
    } catch {
      // What looked like an event of this source has a member that cannot be read.
    }
  }
  return { trigger: "other", attributes: {}, carrier: {} };
}
