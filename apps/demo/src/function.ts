import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { LambdaHost } from "@botanu/conformance/lambda";

/** A Lambda function under AWS's own runtime client, frozen between its events, behind what a function URL is to it. */
export interface DemoFunction {
  readonly url: string;
  stop(): Promise<void>;
}

export interface FunctionOptions {
  readonly name: string;
  readonly collector: string;
  readonly ordersApi: string;
}

/** Starts the function, and a server that turns requests into its events as a function URL does. */
export async function startFunction({ name, collector, ordersApi }: FunctionOptions): Promise<DemoFunction> {
  const host = await LambdaHost.start({
    handler: new URL("intake-function.ts", import.meta.url).pathname,
    env: { AWS_LAMBDA_FUNCTION_NAME: name, OTEL_EXPORTER_OTLP_ENDPOINT: collector, ORDERS_API: ordersApi },
  });
  // One environment takes one event at a time.
  let last: Promise<unknown> = host.initialize();
  await last;
  const server = createServer((request, response) => {
    const answered = last.then(async () => host.invoke(eventOf(request, await bodyOf(request))));
    last = answered.catch(() => undefined);
    answered.then(
      ({ result, error }) => {
        const { statusCode = 200, body = "" } = Object(result) as { statusCode?: number; body?: string };
        response.writeHead(error ? 502 : statusCode, { "content-type": "application/json" });
        response.end(error ? '{"message":"Internal Server Error"}' : body);
      },
      () => response.writeHead(502).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close().closeAllConnections();
      await host.close();
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads */
function eventOf({ method = "GET", url = "/", headers }: IncomingMessage, body: string): object {
  const [rawPath = "/", rawQueryString = ""] = url.split("?");
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    headers,
    requestContext: { http: { method, path: rawPath } },
    body,
    isBase64Encoded: false,
  };
}
