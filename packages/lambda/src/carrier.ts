// Where each source of events keeps what a sender wrote: headers, attributes, or the reserved member of a JSON body.

import { type Carrier, ENVELOPE_KEY } from "@botanu/core";
import { isObject, type Json, listOf, objectOf, textOf } from "./platform.ts";

/** No service sends a larger message: what is longer is not parsed. */
const MAX_BODY = 1 << 20;

const NOTHING: Carrier = {};
const FIELDS = ["traceparent", "baggage"];

/** Whether there is anything to read in a carrier. */
function has(carrier: Json): boolean {
  return Object.keys(carrier).some((key) => FIELDS.includes(key.toLowerCase()));
}

/** The first that has something to read, as a carrier. */
function firstOf(...carriers: readonly (Json | undefined)[]): Carrier {
  return (carriers.find((carrier) => carrier && has(carrier)) as Carrier | undefined) ?? NOTHING;
}

/** What a text holds as JSON, if that is an object. */
function parseObject(text: unknown): Json | undefined {
  if (typeof text !== "string" || text.length > MAX_BODY || !/^\s*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function parseBase64(text: unknown): Json | undefined {
  if (typeof text !== "string" || text.length > 2 * MAX_BODY) return undefined;
  // So a brace begins in base64: anything else is not worth decoding.
  return /^e[w-z\d+/]/.test(text) ? parseObject(Buffer.from(text, "base64").toString()) : undefined;
}

/** Headers of an HTTP event. Of several values only the form with lists has them all. */
export function headersOf(event: Json): Carrier {
  const many = objectOf(event, "multiValueHeaders");
  const one = objectOf(event, "headers");
  return ((many && Object.keys(many).length > 0 ? many : one) as Carrier | undefined) ?? NOTHING;
}

/** The reserved member of a body. */
function envelopeOf(body: unknown): Json | undefined {
  return objectOf(body, ENVELOPE_KEY);
}

/** A message of SQS: its own attributes, else those of the notification or the event that it wraps, else its body's. */
export function sqsCarrier(record: Json): Carrier {
  const own = objectOf(record, "messageAttributes");
  if (own && has(own)) return own as Carrier;
  const body = parseObject(record["body"]);
  return firstOf(objectOf(body, "MessageAttributes"), envelopeOf(objectOf(body, "detail")), envelopeOf(body));
}

/** A notification of SNS. */
export function snsCarrier(record: Json): Carrier {
  const sns = objectOf(record, "Sns");
  return firstOf(objectOf(sns, "MessageAttributes"), envelopeOf(parseObject(sns?.["Message"])));
}

/** An event of EventBridge. */
export function eventBridgeCarrier(event: Json): Carrier {
  return firstOf(envelopeOf(objectOf(event, "detail")));
}

/** A record of Kinesis or Firehose: JSON in base64. */
export function dataCarrier(data: unknown): Carrier {
  return firstOf(envelopeOf(parseBase64(data)));
}

/** A change of DynamoDB: a map of texts in the new image, under the reserved name. */
export function dynamoDbCarrier(record: Json): Carrier {
  const image = objectOf(objectOf(record, "dynamodb"), "NewImage");
  const map = objectOf(objectOf(image, ENVELOPE_KEY), "M");
  if (!map) return NOTHING;
  return firstOf(Object.fromEntries(Object.entries(map).map(([key, value]) => [key, textOf(value, "S")])));
}

/** A record of Kafka, whose headers are a list of objects of byte lists. */
export function kafkaCarrier(record: Json): Carrier {
  const headers: Record<string, unknown> = {};
  for (const each of listOf(record, "headers"))
    for (const key of Object.keys(each)) headers[key.toLowerCase()] = each[key];
  return firstOf(headers);
}

/** What the caller of a direct invocation sent: as client context, or in the reserved member of the payload. */
export function directCarrier(event: unknown, clientContext: unknown): Carrier {
  const custom = objectOf(clientContext, "custom") ?? objectOf(clientContext, "Custom");
  return firstOf(custom, envelopeOf(event), envelopeOf(custom));
}
