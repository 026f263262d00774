// Handlers of every kind, each bare and traced: what a runtime client makes of both has to be the same.

import { createRun } from "@botanu/core";
import { botanuHandler, forEachRecord } from "@botanu/lambda";
import { botanuMiddleware } from "@botanu/lambda/middy";
import middy from "@middy/core";
import { activeRun, botanuWorkflow, step } from "@botanu/tracer";

interface Stream {
  write(chunk: string): boolean;
  end(chunk?: string): void;
  setContentType(type: string): void;
}

type Callback = (error: unknown, value?: unknown) => void;

declare const awslambda: {
  streamifyResponse<F>(handler: F): F;
  HttpResponseStream: { from(stream: Stream, metadata: object): Stream };
};

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));
const traced = <F extends (...args: never[]) => unknown>(fn: F): F => botanuHandler({ workflow: "order" }, fn);

export const asyncBare = async (event: { n: number }) => {
  await sleep(2);
  return { twice: event.n * 2 };
};
export const asyncTraced = traced(asyncBare);

export const syncBare = (event: { n: number }) => ({ twice: event.n * 2 });
export const syncTraced = traced(syncBare);

export const throwBare = () => {
  throw new RangeError("too many");
};
export const throwTraced = traced(throwBare);

export const rejectBare = async () => {
  await sleep(1);
  throw new RangeError("too many");
};
export const rejectTraced = traced(rejectBare);

export const callbackBare = (event: { n: number }, _context: object, callback: Callback) => {
  setTimeout(() => callback(null, { twice: event.n * 2 }), 20);
};
export const callbackTraced = traced(callbackBare);

export const callbackErrorBare = (_event: object, _context: object, callback: Callback) => {
  setTimeout(() => callback(new RangeError("too many")), 5);
};
export const callbackErrorTraced = traced(callbackErrorBare);

export const succeedBare = (event: { n: number }, context: { succeed?(value: unknown): void }) => {
  context.succeed?.({ twice: event.n * 2 });
};
export const succeedTraced = traced(succeedBare);

export const streamBare = awslambda.streamifyResponse(async (event: { n: number }, stream: Stream) => {
  stream.setContentType("text/plain");
  stream.write("a");
  await sleep(5);
  stream.end(`b${event.n}`);
});
export const streamTraced = traced(streamBare);

export const streamErrorBare = awslambda.streamifyResponse(async (_event: object, stream: Stream) => {
  stream.write("a");
  await sleep(5);
  throw new RangeError("too many");
});
export const streamErrorTraced = traced(streamErrorBare);

export const httpStreamBare = awslambda.streamifyResponse(async (_event: object, stream: Stream) => {
  const body = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-own": "1" } });
  body.write("created");
  body.end();
});
export const httpStreamTraced = traced(httpStreamBare);

/** Says what it sees, and does what its event asks for. */
export const told = botanuHandler(
  { workflow: "order", eventId: (event: { order?: string }) => event.order, timeoutMarginMillis: 50 },
  async (event: { order?: string; status?: number; hang?: boolean; exit?: boolean }) => {
    if (event.hang) await step("wait", () => sleep(60_000));
    if (event.exit) process.exit(3);
    await step("work", () => sleep(1));
    return { statusCode: event.status ?? 200, run: activeRun() ?? null };
  },
);

/** Fails records whose body says so. */
export const batch = botanuHandler({ workflow: "order" }, (event: object) =>
  forEachRecord(event, async (record) => {
    await sleep(1);
    if (record["body"] === "fail") throw new Error("no");
  }),
);

/** Many at once in one process: each has its own run. */
export const interleaved = async () => {
  const nested = botanuWorkflow("nested", {}, async (id: number) => {
    await sleep(id % 7);
    return activeRun();
  });
  const handler = botanuHandler(
    { workflow: "order", eventId: (event: { id: number }) => event.id },
    async ({ id }: { id: number }, _context: object) => {
      await sleep(id % 5);
      const inner = await nested(id);
      return [activeRun()?.eventId, inner?.eventId, inner?.parentRunId === activeRun()?.runId, activeRun()?.runId];
    },
  );
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, id) => handler({ id }, { getRemainingTimeInMillis: () => 30_000 })),
  );
  return {
    wrong: answers.filter(([own, inner, nests], id) => own !== `${id}` || inner !== `${id}` || !nests).length,
    runs: new Set(answers.map(([, , , runId]) => runId)).size,
  };
};

export const identity = () => {
  const mark = Symbol.for("mark");
  const fn = Object.assign(
    function named(this: { own: number }, event: number, _context: object, _callback: unknown) {
      return this.own + event;
    },
    { [mark]: 7, extra: createRun },
  );
  const wrapped = traced(fn as never) as unknown as typeof fn;
  return {
    length: wrapped.length,
    name: wrapped.name,
    mark: wrapped[mark],
    extra: wrapped.extra === createRun,
  };
};

export const chained = middy(async (event: { fail?: boolean }) => {
  await sleep(1);
  if (event.fail) throw new RangeError("too many");
  return { statusCode: 200, run: activeRun() ?? null };
}).use(botanuMiddleware({ workflow: "order", eventId: (event: { order?: string }) => event.order }) as never);
