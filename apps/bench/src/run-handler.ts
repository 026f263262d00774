// Drives one bundled Worker handler in this process, with the network replaced by answers from memory: what is left is the
// handler, its spans and the body of its export. Prints CPU microseconds, or heap bytes kept, per request.

const [file = "", measure = ""] = process.argv.slice(2);
const UPSTREAM = "http://127.0.0.1:1/";
const SINK = "http://127.0.0.1:2/v1/traces";
const IN_FLIGHT = 10;
const WARM_UP_REQUESTS = 2_000;
const CPU_REQUESTS = 4_000;
const HEAP_REQUESTS = 5_000;

interface Handler {
  fetch(request: Request, env: unknown, ctx: unknown): Promise<Response>;
}

const realFetch = globalThis.fetch;
globalThis.fetch = (async (input: RequestInfo | URL) => {
  const url = input instanceof Request ? input.url : String(input);
  if (url === SINK) return new Response("{}", { headers: { "content-type": "application/json" } });
  if (url === UPSTREAM) return new Response("ok");
  return realFetch(input);
}) as typeof fetch;

// What workerd has and Node has not, as far as a peer reaches for it at start.
Object.assign(globalThis, {
  caches: { default: {}, open: async () => ({}) },
  scheduler: { wait: (millis: number) => new Promise((resolve) => setTimeout(resolve, millis)) },
});

const { default: handler } = (await import(file)) as { default: Handler };
await requests(WARM_UP_REQUESTS);
process.stdout.write(`${measure === "heap" ? await heapPerRequest() : await cpuPerRequest()}\n`);
process.exit(0);

async function cpuPerRequest(): Promise<number> {
  const before = process.cpuUsage();
  await requests(CPU_REQUESTS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CPU_REQUESTS;
}

async function heapPerRequest(): Promise<number> {
  const before = await settledHeap();
  await requests(HEAP_REQUESTS);
  return ((await settledHeap()) - before) / HEAP_REQUESTS;
}

async function settledHeap(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().heapUsed;
}

async function requests(count: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await oneRequest();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function oneRequest(): Promise<void> {
  const pending: Promise<unknown>[] = [];
  const ctx = {
    waitUntil: (promise: Promise<unknown>) => pending.push(promise),
    passThroughOnException: () => undefined,
  };
  const headers = {
    traceparent: freshTraceparent(),
    baggage: "botanu.run_id=019a2f6e-7c11-7e3f-a557-0d7be0a5b1c2,botanu.workflow=order",
  };
  const response = await handler.fetch(new Request("http://127.0.0.1/", { headers }), { UPSTREAM, SINK }, ctx);
  await response.text();
  for (let index = 0; index < pending.length; index++) await pending[index]?.catch(() => undefined);
}

function freshTraceparent(): string {
  const [high = "", low = ""] = crypto.randomUUID().split("-").slice(3);
  return `00-${crypto.randomUUID().replaceAll("-", "")}-${high}${low}-01`;
}
