// A Lambda function between the Worker and the services. It names no workflow: it is a hop of the run that comes in. Its first try at an
// order fails, as one that meets a cold cache would; and it tries again where the service behind it is briefly away.

import { botanuHandler, outgoingFetch } from "@botanu/lambda";

interface Request {
  readonly body: string;
}

interface Response {
  readonly statusCode: number;
  readonly body: string;
}

const ATTEMPTS = 3;
const failedOnce = new Set<string>();

export const handler = botanuHandler({ environment: "demo" }, async ({ body }: Request): Promise<Response> => {
  const { id } = JSON.parse(body) as { id: string };
  if (!failedOnce.has(id)) {
    failedOnce.add(id);
    throw new Error("the price list is not loaded");
  }
  let status = 503;
  for (let attempt = 1; attempt <= ATTEMPTS && status === 503; attempt++) {
    const headers = { "content-type": "application/json" };
    ({ status } = await outgoingFetch(`${process.env["ORDERS_API"]}/intake/${id}`, { method: "POST", headers, body }));
  }
  return { statusCode: status === 200 ? 200 : 502, body: JSON.stringify({ id, status }) };
});
