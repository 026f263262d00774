// Calls of AWS SDK clients (version 3) that carry the run: in attributes where a message has them, else in the reserved member of a JSON
// body. Nothing is patched and no SDK is needed: a client has a stack of middleware, and inputs are copied, never changed.

import {
  activeContext,
  type Context,
  ENVELOPE_KEY,
  getForeignBaggage,
  getRun,
  inject,
  injectAttributes,
  type Propagation,
  warnOnce,
  withContext,
} from "@botanu/core";
import { activeTracer, type Attributes, recordFailure, SpanKind } from "@botanu/tracer";
import { isObject, type Json } from "./platform.ts";

type Input = Readonly<Record<string, unknown>>;
type Next = (args: { readonly input: Input }) => Promise<unknown>;
type Middleware = (next: Next, context: { readonly commandName?: string }) => Next;

/** The part of a client that is used here: those of SQS, SNS, EventBridge, Lambda, Step Functions and Kinesis have it. */
export interface AwsClient {
  readonly middlewareStack: { add(middleware: never, options: never): void };
}

/** One command: its span, and its input with the context in it. */
interface Command {
  readonly system: string;
  readonly kind: number;
  /** Where it goes, for the span. */
  readonly destination: (input: Input) => unknown;
  readonly inject: (input: Input, propagation: Propagation) => Input;
}

/** What SQS and SNS took at most for years, and what queues may still be set to. */
const MAX_MESSAGE = 262_144;
/** What Lambda takes at most as client context, in base64. */
const MAX_CLIENT_CONTEXT = 3583;
/** What Kinesis took at most for years. */
const MAX_RECORD = 1 << 20;

function lost(what: string): void {
  warnOnce(`aws ${what}`, `no room for the run in ${what}`);
}

/** Whether a size is over a limit because of us. */
function breaks(limit: number, before: number, after: number): boolean {
  return before <= limit && after > limit;
}

function sizeOf(text: unknown): number {
  return typeof text === "string" ? Buffer.byteLength(text) : 0;
}

/** A message of SQS or SNS: baggage, then `traceparent`, then `tracestate`, as far as ten attributes and the size allow. */
function message(body: string, what: string): (input: Input, propagation: Propagation) => Input {
  return (input, propagation) => {
    const given = isObject(input["MessageAttributes"]) ? input["MessageAttributes"] : {};
    const attributes: Record<string, unknown> = { ...given };
    injectAttributes(propagation, attributes);
    const size = sizeOf(input[body]);
    const grown = size + JSON.stringify(attributes).length;
    const isLost = propagation.run && !("baggage" in attributes);
    if (isLost || breaks(MAX_MESSAGE, size, grown)) lost(what);
    return breaks(MAX_MESSAGE, size, grown) ? input : { ...input, MessageAttributes: attributes };
  };
}

/** Each entry of a batch. */
function entries(
  list: string,
  change: (entry: Input, propagation: Propagation) => Input,
): (input: Input, propagation: Propagation) => Input {
  return (input, propagation) => {
    const given = input[list];
    return Array.isArray(given)
      ? { ...input, [list]: given.map((each: unknown) => (isObject(each) ? change(each, propagation) : each)) }
      : input;
  };
}

function fieldsOf(propagation: Propagation): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  inject(propagation, fields);
  return fields;
}

/** A text that is a JSON object, with the reserved member in it; undefined where it is none, or has one. */
function withEnvelope(text: string, propagation: Propagation): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && !(ENVELOPE_KEY in value)
      ? JSON.stringify({ ...value, [ENVELOPE_KEY]: fieldsOf(propagation) })
      : undefined;
  } catch {
    return undefined;
  }
}

/** A member that holds JSON as a text. */
function json(member: string, limit: number, what: string): (input: Input, propagation: Propagation) => Input {
  return (input, propagation) => {
    const text = input[member] ?? "{}";
    const changed = typeof text === "string" ? withEnvelope(text, propagation) : undefined;
    if (changed === undefined) return input;
    if (!breaks(limit, sizeOf(text), sizeOf(changed))) return { ...input, [member]: changed };
    lost(what);
    return input;
  };
}

/** A record of Kinesis: bytes that hold a JSON object, as far as they do. */
function record(input: Input, propagation: Propagation): Input {
  const data = input["Data"];
  if (!(data instanceof Uint8Array) || data.length > MAX_RECORD || data[0] !== 0x7b) return input;
  const changed = withEnvelope(Buffer.from(data).toString(), propagation);
  if (changed === undefined) return input;
  const bytes = Buffer.from(changed);
  if (bytes.length <= MAX_RECORD) return { ...input, Data: bytes };
  lost("a Kinesis record");
  return input;
}

/** A direct invocation: client context, which an asynchronous one does not deliver, so there it is the payload. */
function invocation(input: Input, propagation: Propagation): Input {
  if (input["InvocationType"] === "Event") return payload(input, propagation);
  const given = parseContext(input["ClientContext"]);
  if (!given) return input;
  const custom = isObject(given["custom"]) ? given["custom"] : {};
  const fields = fieldsOf(propagation);
  for (const left of [[], ["tracestate"], ["tracestate", "traceparent"]]) {
    const kept = Object.fromEntries(Object.entries(fields).filter(([name]) => !left.includes(name)));
    const text = Buffer.from(JSON.stringify({ ...given, custom: { ...kept, ...custom } })).toString("base64");
    if (text.length <= MAX_CLIENT_CONTEXT) return { ...input, ClientContext: text };
  }
  lost("a client context");
  return input;
}

function parseContext(text: unknown): Json | undefined {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(text as string, "base64").toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function payload(input: Input, propagation: Propagation): Input {
  const given = input["Payload"];
  const text = given instanceof Uint8Array ? Buffer.from(given).toString() : given;
  const changed = typeof text === "string" ? withEnvelope(text, propagation) : undefined;
  if (changed === undefined) return input;
  return { ...input, Payload: typeof given === "string" ? changed : Buffer.from(changed) };
}

const { PRODUCER, CLIENT } = SpanKind;
const nameOf = (member: string) => (input: Input) => input[member];
const sqs = { system: "aws_sqs", kind: PRODUCER, destination: nameOf("QueueUrl") };
const sns = {
  system: "aws_sns",
  kind: PRODUCER,
  destination: (input: Input) => input["TopicArn"] ?? input["TargetArn"],
};
const kinesis = {
  system: "aws_kinesis",
  kind: PRODUCER,
  destination: (input: Input) => input["StreamName"] ?? input["StreamARN"],
};
const states = { system: "aws_sfn", kind: CLIENT, destination: nameOf("stateMachineArn") };
const execution = json("input", MAX_MESSAGE, "an execution's input");

const COMMANDS: Readonly<Record<string, Command>> = {
  SendMessageCommand: { ...sqs, inject: message("MessageBody", "a message of SQS") },
  SendMessageBatchCommand: { ...sqs, inject: entries("Entries", message("MessageBody", "a message of SQS")) },
  PublishCommand: { ...sns, inject: message("Message", "a message of SNS") },
  PublishBatchCommand: {
    ...sns,
    inject: entries("PublishBatchRequestEntries", message("Message", "a message of SNS")),
  },
  PutEventsCommand: {
    system: "aws_eventbridge",
    kind: PRODUCER,
    destination: (input) => (input["Entries"] as Json[] | undefined)?.[0]?.["EventBusName"] ?? "default",
    inject: entries("Entries", json("Detail", MAX_MESSAGE, "an event")),
  },
  PutRecordCommand: { ...kinesis, inject: record },
  PutRecordsCommand: { ...kinesis, inject: entries("Records", record) },
  InvokeCommand: { system: "aws_lambda", kind: CLIENT, destination: nameOf("FunctionName"), inject: invocation },
  StartExecutionCommand: { ...states, inject: execution },
  StartSyncExecutionCommand: { ...states, inject: execution },
};

/**
 * Lets the calls of an AWS SDK client carry the run, each in a span of its own: sends of SQS and SNS in message attributes, of which there
 * may be ten; events, records of Kinesis and inputs of Step Functions in the reserved member of their JSON; invocations of functions in the
 * client context. Where there is no room for all, `tracestate` goes first, then `traceparent`, then the rest, with one warning. No header
 * is added, since headers are signed. Other commands are left alone. Gives the client back.
 *
 * @param context what to send; default: what is active at the call
 */
export function injectAws<C extends AwsClient>(client: C, context?: Context): C {
  const middleware: Middleware = (next, { commandName = "" }) => {
    const command = Object.hasOwn(COMMANDS, commandName) ? COMMANDS[commandName] : undefined;
    return command ? (args) => send(command, commandName, context ?? activeContext(), args, next) : next;
  };
  client.middlewareStack.add(
    middleware as never,
    { step: "initialize", name: "botanuInject", override: true } as never,
  );
  return client;
}

async function send(
  { system, kind, destination, inject: add }: Command,
  commandName: string,
  context: Context,
  args: { readonly input: Input },
  next: Next,
): Promise<unknown> {
  const tracer = activeTracer(context);
  const named = destination(args.input);
  const target = typeof named === "string" ? (named.split(/[/:]/).at(-1) ?? "") : "";
  const operation = kind === PRODUCER ? "send" : commandName.replace("Command", "");
  const span = tracer.startSpan(
    `${operation} ${target}`,
    { kind, attributes: describe(system, kind, target, operation) },
    context,
  );
  const active = tracer.contextWith(context, span);
  try {
    const propagation = { spanContext: span.spanContext(), run: getRun(context), baggage: getForeignBaggage(context) };
    return await withContext(active, () => next({ ...args, input: add(args.input, propagation) }));
  } catch (error) {
    recordFailure(span, error, active);
    throw error;
  } finally {
    span.end();
  }
}

function describe(system: string, kind: number, target: string, operation: string): Attributes {
  return kind === PRODUCER
    ? {
        "messaging.system": system,
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": target,
      }
    : { "rpc.system": "aws-api", "rpc.service": system, "rpc.method": operation };
}
