/** A case makes what it needs once and returns the operation that is timed. */
export type Case = () => () => unknown;

/** The attributes of the measured span: what a traced request has. */
export const SERVER_ATTRIBUTES = {
  "http.request.method": "GET",
  "http.route": "/orders/:id",
  "url.path": "/orders/4711",
  "url.scheme": "https",
  "server.address": "shop.example",
  "server.port": 443,
  "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
  "network.protocol.version": "2",
};

/** Seven members, as an entry point with a tenant and a step emits them. */
export const BAGGAGE: readonly (readonly [string, string])[] = [
  ["botanu.run_id", "019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2"],
  ["botanu.workflow", "order"],
  ["botanu.event_id", "order-4711"],
  ["botanu.customer_id", "acme"],
  ["botanu.environment", "production"],
  ["botanu.tenant_id", "eu-1"],
  ["vendor", "value with space"],
];

export const BAGGAGE_HEADER = BAGGAGE.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join(",");

export const SERVER_KIND = 1;
export const SPANS_PER_BATCH = 512;
