import type { BotanuTracer, ReadableSpan, SpanExporter } from "@botanu/tracer";

import { assert, assertEqual, type Case } from "./case.ts";
import type { Host, Library } from "./suite.ts";

const RUN_ID = "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071";
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const FROM_CALLER = {
  traceparent: `00-${TRACE_ID}-b7ad6b7169203331-03`,
  tracestate: `botanu=${RUN_ID},other=1`,
  baggage: `botanu.run_id=${RUN_ID},botanu.workflow=checkout,botanu.environment=test,foreign=1;p`,
};

/** Runs, steps and requests, from the caller's headers to the exporter. */
export function tracerCases(library: Library, host: Host): Case[] {
  return [
    ...runCases(library),
    ...deliveryCases(library),
    ...entryCases(library),
    ...fetchCases(library),
    ...(host.store ? storeCases(library) : []),
  ];
}

/** A tracer whose exports are kept, batch by batch. */
function createKeeping({ tracer }: Library): { tracer: BotanuTracer; batches: ReadableSpan[][] } {
  const batches: ReadableSpan[][] = [];
  const exporter: SpanExporter = {
    export: (spans, done) => {
      batches.push([...spans]);
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  };
  return { tracer: tracer.createTracer({ exporter }), batches };
}

function runCases(library: Library): Case[] {
  const { withRun, step } = library.tracer;
  return [
    {
      title: "tracer: the spans of a run leave in one export, each with the run",
      run: async () => {
        const { tracer, batches } = createKeeping(library);
        const invocation = tracer.startInvocation();
        const id = withRun({ workflow: "w", eventId: "e", context: invocation.context, tracer }, (run, context) => {
          step("draft", (inStep) => tracer.startSpan("work", {}, inStep).end(), context);
          return run.runId;
        });
        assertEqual(batches.length, 0);
        await invocation.flush();
        assertEqual(batches.length, 1);
        const [work, draft, whole] = batches[0] ?? [];
        assertEqual([work?.name, draft?.name, whole?.name], ["work", "botanu.step/draft", "botanu.run/w"]);
        for (const span of [work, draft, whole]) {
          assertEqual(
            [
              span?.attributes["botanu.run_id"],
              span?.attributes["botanu.workflow"],
              span?.attributes["botanu.event_id"],
            ],
            [id, "w", "e"],
          );
        }
        assertEqual(
          [work, draft, whole].map((span) => span?.attributes["botanu.step"]),
          ["draft", "draft", undefined],
        );
        assertEqual(work?.parentSpanContext?.spanId, draft?.spanContext().spanId);
        assertEqual(draft?.parentSpanContext?.spanId, whole?.spanContext().spanId);
        assertEqual(whole?.parentSpanContext, undefined);
      },
    },
    {
      title: "tracer: the run span says how the run went",
      run: async () => {
        const { tracer, batches } = createKeeping(library);
        const invocation = tracer.startInvocation();
        const failure = new TypeError("broken");
        try {
          withRun({ workflow: "w", context: invocation.context, tracer }, () => {
            throw failure;
          });
        } catch (error) {
          assert(error === failure, "another error came out");
        }
        await invocation.flush();
        const span = batches[0]?.[0];
        assertEqual([span?.name, span?.kind, span?.status.code], ["botanu.run/w", 1, 2]);
        assertEqual(
          span?.events.map(({ name }) => name),
          ["botanu.run.started", "exception", "botanu.run.completed"],
        );
        const completed = span?.events[2]?.attributes;
        assertEqual([completed?.["status"], completed?.["error_class"]], ["failure", "TypeError"]);
        assert(typeof span?.attributes["botanu.run.duration_ms"] === "number", "no duration");
      },
    },
  ];
}

function deliveryCases(library: Library): Case[] {
  return [
    {
      title: "tracer: invocations that overlap keep their spans apart",
      run: async () => {
        const { tracer, batches } = createKeeping(library);
        const invocations = Array.from({ length: 20 }, () => tracer.startInvocation());
        const spans = invocations.map((each, n) => tracer.startSpan(`s${n}`, {}, each.context));
        for (const span of spans.toReversed()) span.end();
        await Promise.all(invocations.map((each) => each.flush()));
        assertEqual(
          batches.map((batch) => batch.map(({ name }) => name)).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
          spans.map((_, n) => [`s${n}`]).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
        );
      },
    },
    {
      title: "tracer: an exporter that throws is counted, and nothing else is different",
      run: async () => {
        const exporter: SpanExporter = {
          export: () => {
            throw new Error("no");
          },
          shutdown: () => Promise.resolve(),
        };
        const tracer = library.tracer.createTracer({ exporter });
        const invocation = tracer.startInvocation();
        assertEqual(
          library.tracer.withRun({ workflow: "w", context: invocation.context, tracer }, () => 7),
          7,
        );
        await invocation.flush();
        assertEqual([tracer.stats().exported, tracer.stats().dropped.failed], [0, 1]);
      },
    },
  ];
}

function entryCases(library: Library): Case[] {
  const enter = async (options: { trust?: boolean; workflow?: string; newRun?: boolean }) => {
    const { tracer, batches } = createKeeping(library);
    const invocation = tracer.startInvocation();
    const start = { name: "POST /orders", kind: 1, attributes: {} };
    const entry = await library.tracer.startEntry(tracer, invocation, FROM_CALLER, {}, options, start);
    entry.end();
    await invocation.flush();
    return { run: entry.run, spans: batches[0] ?? [] };
  };
  return [
    {
      title: "entry: a trusted run is joined, below the caller's span",
      run: async () => {
        const { run, spans } = await enter({ workflow: "mine", trust: true });
        assertEqual([run?.runId, run?.workflow], [RUN_ID, "checkout"]);
        const [runSpan, server] = spans;
        assertEqual(
          [runSpan?.name, runSpan?.kind, server?.name, server?.kind],
          ["botanu.run/checkout", 0, "POST /orders", 1],
        );
        assertEqual(server?.parentSpanContext?.spanId, "b7ad6b7169203331");
        for (const span of spans) {
          assertEqual([span.spanContext().traceId, span.attributes["botanu.run_id"]], [TRACE_ID, RUN_ID]);
        }
      },
    },
    {
      title: "entry: a run that is not trusted is noted and not joined",
      run: async () => {
        const { run, spans } = await enter({ workflow: "mine" });
        assertEqual(run?.workflow, "mine");
        assert(run?.runId !== RUN_ID, "joined");
        const server = spans.find(({ kind }) => kind === 1);
        assertEqual(server?.attributes["botanu.untrusted.run_id"], RUN_ID);
        assertEqual(server?.attributes["botanu.run_id"], run?.runId);
        assertEqual(server?.spanContext().traceId, TRACE_ID);
      },
    },
    {
      title: "entry: a trusted run is nested in when a new one is asked for",
      run: async () => {
        const { run } = await enter({ workflow: "mine", trust: true, newRun: true });
        assertEqual([run?.workflow, run?.parentRunId], ["mine", RUN_ID]);
      },
    },
    {
      title: "entry: a hop joins and never starts a run",
      run: async () => {
        assertEqual((await enter({})).run?.runId, RUN_ID);
        assertEqual((await enter({ trust: false })).run, undefined);
      },
    },
  ];
}

function fetchCases(library: Library): Case[] {
  const send = async (url: string) => {
    const { tracer } = createKeeping(library);
    const invocation = tracer.startInvocation();
    const start = { name: "POST", kind: 1, attributes: {} };
    const entry = await library.tracer.startEntry(tracer, invocation, FROM_CALLER, {}, { trust: true }, start);
    let sent = new Headers();
    const fetch = library.tracer.createFetch({
      tracer,
      context: entry.context,
      fetch: (_input, init) => {
        sent = new Headers(init?.headers);
        return Promise.resolve(new Response("ok"));
      },
    });
    await fetch(url);
    return { sent, entry };
  };
  return [
    {
      title: "fetch: the run, the caller's baggage and the trace go on to a service of ours",
      run: async () => {
        const { sent, entry } = await send("http://orders.shop.svc/x");
        const { spanContext, run, baggage } = library.core.extract(sent, { trust: true });
        assertEqual(
          [spanContext?.traceId, spanContext?.traceFlags, run?.runId, run?.workflow, baggage],
          [TRACE_ID, 3, RUN_ID, "checkout", ["foreign=1;p"]],
        );
        assert(spanContext?.spanId !== entry.span.spanContext().spanId, "no span of its own for the request");
        assertEqual(sent.get("tracestate"), `botanu=${RUN_ID},other=1`);
      },
    },
    {
      title: "fetch: nothing goes to a host that nobody named",
      run: async () => {
        const { sent } = await send("https://api.example.com/v1");
        assertEqual([sent.get("baggage"), sent.get("tracestate"), sent.get("traceparent")], [null, null, null]);
      },
    },
  ];
}

function storeCases(library: Library): Case[] {
  const { withRun, step, activeRun, botanuWorkflow } = library.tracer;
  return [
    {
      title: "store: steps, spans and workflows find their run by themselves",
      run: async () => {
        const { tracer, batches } = createKeeping(library);
        const invocation = tracer.startInvocation();
        const review = botanuWorkflow("review", { eventId: (id: string) => id }, async (_id: string) => {
          await Promise.resolve();
          return activeRun();
        });
        const outer = await withRun({ workflow: "w", context: invocation.context }, async (run) => {
          const inner = await step("check", () => review("e-1"));
          assertEqual([inner?.workflow, inner?.eventId, inner?.parentRunId], ["review", "e-1", run.runId]);
          return activeRun();
        });
        assertEqual(outer?.workflow, "w");
        await invocation.flush();
        assertEqual(
          batches[0]?.map(({ name }) => name),
          ["botanu.run/review", "botanu.step/check", "botanu.run/w"],
        );
        assertEqual(activeRun(), undefined);
      },
    },
  ];
}
