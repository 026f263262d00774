// Events of every source, as small as they can be told apart, each around what a sender wrote.

type Fields = Readonly<Record<string, string>>;

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64");
const bytes = (text: string): number[] => [...Buffer.from(text)];

function mapped<T>(fields: Fields, change: (value: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, change(value)]));
}

const titled = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key[0]?.toUpperCase() + key.slice(1), value]));
const sqsAttributes = (fields: Fields): object =>
  mapped(fields, (stringValue) => ({ stringValue, dataType: "String", stringListValues: [], binaryListValues: [] }));
const snsAttributes = (fields: Fields): object => mapped(fields, (Value) => ({ Type: "String", Value }));

const sqs = (record: object, name = "orders"): object => ({
  Records: [
    {
      messageId: "m-1",
      eventSource: "aws:sqs",
      eventSourceARN: `arn:aws:sqs:eu-central-1:123456789012:${name}`,
      body: "hello",
      attributes: {},
      messageAttributes: {},
      ...record,
    },
  ],
});

const rest = { httpMethod: "GET", resource: "/orders/{id}", path: "/orders/7", requestContext: { stage: "prod" } };

/** By title: an event that carries the fields. */
export const EVENTS: Readonly<Record<string, (fields: Fields) => unknown>> = {
  "API Gateway REST": (fields) => ({ ...rest, headers: titled(fields), multiValueHeaders: null }),
  "API Gateway REST, several values": (fields) => ({
    ...rest,
    headers: titled(fields),
    multiValueHeaders: mapped(titled(fields), (value) => [value]),
  }),
  "API Gateway HTTP": (fields) => ({
    version: "2.0",
    routeKey: "GET /orders/{id}",
    rawPath: "/orders/7",
    rawQueryString: "",
    headers: fields,
    requestContext: { http: { method: "GET", path: "/orders/7" } },
  }),
  "Function URL": (fields) => ({
    version: "2.0",
    routeKey: "$default",
    rawPath: "/",
    headers: fields,
    requestContext: { domainName: "x.lambda-url.eu-central-1.on.aws", http: { method: "POST", path: "/" } },
  }),
  ALB: (fields) => ({ httpMethod: "GET", path: "/", requestContext: { elb: {} }, headers: fields }),
  "ALB, several values": (fields) => ({
    httpMethod: "GET",
    path: "/",
    requestContext: { elb: {} },
    multiValueHeaders: mapped(fields, (value) => (value.includes(",") ? value.split(",") : [value])),
  }),
  WebSocket: (fields) => ({
    headers: titled(fields),
    requestContext: { eventType: "CONNECT", routeKey: "$connect", connectionId: "c=" },
  }),
  SQS: (fields) => sqs({ messageAttributes: sqsAttributes(fields) }),
  "SQS, JSON body": (fields) => sqs({ body: JSON.stringify({ id: 7, _botanu: fields }) }),
  SNS: (fields) => ({
    Records: [
      {
        EventSource: "aws:sns",
        Sns: {
          MessageId: "m-1",
          TopicArn: "arn:aws:sns:eu:1:orders",
          Message: "x",
          MessageAttributes: snsAttributes(fields),
        },
      },
    ],
  }),
  "SNS to SQS": (fields) =>
    sqs({ body: JSON.stringify({ Type: "Notification", Message: "x", MessageAttributes: snsAttributes(fields) }) }),
  EventBridge: (fields) => ({ id: "e-1", source: "shop", "detail-type": "placed", detail: { id: 7, _botanu: fields } }),
  "EventBridge to SQS": (fields) =>
    sqs({ body: JSON.stringify({ source: "shop", "detail-type": "placed", detail: { _botanu: fields } }) }),
  Kinesis: (fields) => ({
    Records: [
      {
        eventSource: "aws:kinesis",
        eventSourceARN: "arn:aws:kinesis:eu:1:stream/orders",
        kinesis: { sequenceNumber: "s-1", data: base64({ id: 7, _botanu: fields }) },
      },
    ],
  }),
  Firehose: (fields) => ({
    deliveryStreamArn: "arn:aws:firehose:eu:1:deliverystream/orders",
    records: [{ recordId: "r-1", data: base64({ _botanu: fields }) }],
  }),
  "DynamoDB streams": (fields) => ({
    Records: [
      {
        eventID: "e-1",
        eventSource: "aws:dynamodb",
        eventSourceARN: "arn:aws:dynamodb:eu:1:table/orders/stream/2026",
        dynamodb: { SequenceNumber: "s-1", NewImage: { _botanu: { M: mapped(fields, (S) => ({ S })) } } },
      },
    ],
  }),
  Kafka: (fields) => ({
    eventSource: "aws:kafka",
    records: {
      "orders-0": [
        {
          topic: "orders",
          partition: 0,
          offset: 7,
          headers: Object.entries(fields).map(([key, value]) => ({ [key]: bytes(value) })),
        },
      ],
    },
  }),
  AppSync: (fields) => ({
    info: { fieldName: "order", parentTypeName: "Query" },
    request: { headers: fields },
    arguments: {},
  }),
  Cognito: (fields) => ({ triggerSource: "PreSignUp_SignUp", request: { clientMetadata: fields }, response: {} }),
  "Step Functions": (fields) => ({ order: 7, _botanu: fields }),
  "direct invocation": (fields) => ({ order: 7, _botanu: fields }),
};

/** Events that carry nothing, whatever their sender wrote. */
export const SILENT: Readonly<Record<string, unknown>> = {
  S3: { Records: [{ eventSource: "aws:s3", s3: { bucket: { name: "files" }, object: { key: "k" } } }] },
  schedule: {
    id: "e",
    source: "aws.events",
    "detail-type": "Scheduled Event",
    time: "2026-01-02T03:04:05Z",
    detail: {},
  },
  "CloudWatch Logs": { awslogs: { data: "H4sI" } },
  alarm: { id: "e", source: "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", detail: {} },
  "anything else": { a: 1 },
};
