import { describe, expect, it } from "vitest";

import { coverageReport } from "./coverage.ts";
import { formatCoverage } from "./format-coverage.ts";
import { formatRun } from "./format-run.ts";
import { formatRuns, formatTailed } from "./format-runs.ts";
import { runTree } from "./run-tree.ts";
import { OTHER_RUN, RUN, START, type Sketch, span, spans } from "./span.fixture.ts";
import type { RunSummary } from "./store-reader.ts";
import { STORY, storyData } from "./story.fixture.ts";
import { type Screen, createPaint, width } from "./terminal.ts";

function plain(columns: number): Screen {
  return { columns, paint: createPaint(false) };
}

describe("a run", () => {
  it("is shown whole: who took part and when, every attempt, gap, orphan, link and nested run in its place", () => {
    expect(`\n${formatRun(runTree(storyData()), { screen: plain(100) })}`).toBe(`
run 019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071
order   customer acme   event ticket-42   production
✓ success after 2 retries   3.46 s, active 297 ms   3 traces   4 services   18 spans   3 failed
1 orphan
44.4 % of spans carry the run (8 of 18)

                                                         0                1.19 s 3.46 s
edge-worker                               5 spans        ━━━━━━━━━━━━━━━━━━╸⫽   ⫽             212 ms
orders-api  ○ none carries the run        10 spans       ╺━━╸╺━━━━━━━       ⫽   ⫽             110 ms
edge-consumer                             2 spans                           ⫽╺━╸⫽╺━━━━━        85 ms
notify                                    1 span                            ⫽   ⫽ ╺━━          30 ms

trace a0000000000000000000000000000001
● POST /orders                            edge-worker    ━━━━━━━━━━━━━━━━━━╸⫽   ⫽             212 ms
└ ● botanu.run/order                      edge-worker    ━━━━━━━━━━━━━━━━━━╸⫽   ⫽             210 ms
  ├ ↻ 2 attempts, 1 failed, then it went through (same call again after a failure)
  │ ├ ● 1/2 ✗ 503 POST 127.0.0.1:8081/i…  edge-worker    ━━━━               ⫽   ⫽              40 ms
  │ │ └ ○ ✗ error POST /intake            orders-api     ╺━━╸               ⫽   ⫽              30 ms
  │ │     starting\\u{1b}[2J
  │ └ ● 2/2 POST 127.0.0.1:8081/intake    edge-worker         ━━━━━━━━      ⫽   ⫽              90 ms
  │   └ ○ POST /intake                    orders-api         ╺━━━━━━━       ⫽   ⫽              80 ms
  │     │ ⚠ starts 5.0 ms before its parent: clocks differ
  │     ├ ○ middleware - json             orders-api           ╸            ⫽   ⫽             400 µs
  │     ├ ○ middleware - json             orders-api           ╸            ⫽   ⫽             400 µs
  │     ├ ○ middleware - json             orders-api           ╸            ⫽   ⫽             400 µs
  │     └ … 5 more of middleware - json, 2.0 ms (--all shows them)
  ├ ● orders send                         edge-worker                    ╺╸ ⫽   ⫽             8.0 ms
  └ ⤷ run 019a2b3c-4d5e-7f60-8a1b-aaaaaaaaaaaa inside this one, 1 span (botanu run aaaaaaaa)
⫽ 1.19 s in which nothing was recorded
trace a0000000000000000000000000000002  +1.40 s
↻ 2 attempts, 1 failed, then it went through (same message delivered again)
├ ● 1/2 ✗ error orders process            edge-consumer                     ⫽╺━╸⫽              25 ms
│   not ready
│   ↪ linked to orders send in trace a0000000000000000000000000000001
│ ⫽ 1.98 s in which nothing was recorded
└ ● 2/2 orders process                    edge-consumer                     ⫽   ⫽╺━━━━━        60 ms
    trace a0000000000000000000000000000003
    ↪ linked to a span in trace a0000000000000000000000000000009 outside of this run
trace a0000000000000000000000000000003  +3.41 s
● POST /mail                              notify                            ⫽   ⫽ ╺━━          30 ms
  ⚠ its parent b000000000000063 never arrived

○ states no run itself, and is here because of its trace.
  why: botanu coverage --run 4e5f6071
`);
  });

  it("loses its axis on a narrow screen, and says what it does not know", () => {
    const changes = { outcome: undefined, workflow: undefined, attempt: 2, retryOfRunId: "r-1" };
    expect(`\n${formatRun(runTree(storyData(changes)), { screen: plain(60) })}`).toBe(`
run 019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071
no workflow   customer acme   event ticket-42   production
attempt 2, retry of r-1
? no outcome, with errors   3.46 s, active 297 ms   3 traces
4 services   18 spans   2 retries   3 failed   1 orphan
44.4 % of spans carry the run (8 of 18)

edge-worker                        5 spans            212 ms
orders-api  ○ none carries the r…  10 spans           110 ms
edge-consumer                      2 spans             85 ms
notify                             1 span              30 ms

trace a0000000000000000000000000000001
● POST /orders                     edge-worker        212 ms
└ ● botanu.run/order               edge-worker        210 ms
  ├ ↻ 2 attempts, 1 failed, then it went through (same call…
  │ ├ ● 1/2 ✗ 503 POST 127.0.0.1…  edge-worker         40 ms
  │ │ └ ○ ✗ error POST /intake     orders-api          30 ms
  │ │     starting\\u{1b}[2J
  │ └ ● 2/2 POST 127.0.0.1:8081/…  edge-worker         90 ms
  │   └ ○ POST /intake             orders-api          80 ms
  │     │ ⚠ starts 5.0 ms before its parent: clocks differ
  │     ├ ○ middleware - json      orders-api         400 µs
  │     ├ ○ middleware - json      orders-api         400 µs
  │     ├ ○ middleware - json      orders-api         400 µs
  │     └ … 5 more of middleware - json, 2.0 ms (--all show…
  ├ ● orders send                  edge-worker        8.0 ms
  └ ⤷ run 019a2b3c-4d5e-7f60-8a1b-aaaaaaaaaaaa inside this …
⫽ 1.19 s in which nothing was recorded
trace a0000000000000000000000000000002  +1.40 s
↻ 2 attempts, 1 failed, then it went through (same message …
├ ● 1/2 ✗ error orders process     edge-consum…        25 ms
│   not ready
│   ↪ linked to orders send in trace a000000000000000000000…
│ ⫽ 1.98 s in which nothing was recorded
└ ● 2/2 orders process             edge-consum…        60 ms
    trace a0000000000000000000000000000003
    ↪ linked to a span in trace a00000000000000000000000000…
trace a0000000000000000000000000000003  +3.41 s
● POST /mail                       notify              30 ms
  ⚠ its parent b000000000000063 never arrived

○ states no run itself, and is here because of its trace.
  why: botanu coverage --run 4e5f6071
`);
  });

  it("shows every span when asked to, and folds like ones when not", () => {
    const tree = runTree(storyData());
    expect(formatRun(tree, { all: true }).match(/middleware - json {2}/g)).toHaveLength(8);
    expect(formatRun(tree).match(/middleware - json {2}/g)).toHaveLength(3);
  });

  it("says so when everything carries the run", () => {
    const text = formatRun(runTree({ ...storyData(), spans: spans({ id: 1, run: RUN }) }));
    expect(text).toContain("100 % of spans carry the run\n");
    expect(text).not.toContain("○");
  });

  it.each([
    ["success", "✓ success"],
    ["failure", "✗ failure"],
    ["timeout", "✗ timeout"],
    ["partial", "◐ partial"],
    ["\u001b[2J", "✗ \\u{1b}[2J"],
  ])("tells the outcome %j by a sign and a word", (outcome, text) => {
    expect(formatRun(runTree(storyData({ outcome })))).toContain(text);
  });

  it.each([40, 60, 80, 100, 160])("keeps its rows within %i columns, whatever the spans hold", (columns) => {
    const name = `東京😀${"x".repeat(300)}\n\u001b[31m`;
    const sketches: Sketch[] = [
      { id: 1, run: RUN, service: name, name, failed: true, message: name },
      ...Array.from({ length: 60 }, (_, index) => ({ id: index + 2, parent: index + 1, service: name, name })),
    ];
    const run = { ...storyData().run, workflow: "w", customerId: "c", eventId: "e" };
    const text = formatRun(runTree({ run, spans: spans(...sketches) }), { screen: plain(columns) });
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    const rows = text.split("\n").filter((line) => /[●○]/.test(line) && !line.includes("states no run"));
    for (const row of rows.slice(0, 12)) expect(width(row), row).toBeLessThanOrEqual(columns);
  });
});
describe("the coverage report", () => {
  it("shows every service, then every cause with what ends it", () => {
    const traces = [...STORY, { id: 40, trace: 7, service: "cron", name: "tick" }];
    const byTrace = [1, 2, 3, 7].map((trace) => spans(...traces.filter((each) => (each.trace ?? 1) === trace)));
    const report = coverageReport(byTrace, { now: START + 100_000 });
    expect(`\n${formatCoverage(report, plain(90))}`).toBe(`
service                                carries   by trace    missing
cron           ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄          ·          ·          1
edge-consumer  ━━━━━━━━━━━━━━━━━━━━          2          ·          ·
edge-worker    ━━━━━━━━━━━━━━━━━━━━          6          ·          ·
notify         ━━━━━━━━━━━━━━━━━━━━          1          ·          ·
orders-api     ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄          ·         10          ·

✗ 45 % of 20 spans carry the run

✗ orders-api is called inside the run by edge-worker and does not write it on its spans
  (10 spans)
  fix: add a span processor that copies the botanu.* baggage entries to span attributes
  e.g. span b000000000000004 of trace a0000000000000000000000000000001

✗ the parent b000000000000063 (same process) of a span of notify never arrived (1 span)
  fix: exporter not flushed, parent sampled out, or a hop without instrumentation: look at
  the caller
  e.g. span b00000000000000b of trace a0000000000000000000000000000003

✗ traces begin in cron without a run (1 span)
  fix: name a workflow there (botanu({ workflow })), unless no business run enters by it
  e.g. span b000000000000028 of trace a0000000000000000000000000000007

by trace: the span states no run and shares a trace with one
missing:  nothing in its trace states a run
`);
  });
});

describe("lists", () => {
  const summary: RunSummary = {
    ...storyData().run,
    startMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    durationMs: 1420,
    traces: 3,
    services: 5,
    errors: 2,
    carrying: 5,
    inherited: 12,
  };
  const other: RunSummary = {
    ...summary,
    runId: OTHER_RUN,
    workflow: undefined,
    outcome: undefined,
    errors: 0,
    carrying: 9,
    inherited: 0,
  };

  it("show runs, newest first", () => {
    expect(`\n${formatRuns([summary, other], plain(130), "UTC")}`).toBe(`
started              run       workflow  customer  event      outcome         time  traces  services  spans  carried
2026-01-02 03:04:05  4e5f6071  order     acme      ticket-42  ✓ success     1.42 s       3         5     17   29.4 %
2026-01-02 03:04:05  aaaaaaaa  ·         acme      ticket-42  ? no outcome  1.42 s       3         5      9    100 %
`);
  });

  it("lose columns on a narrow screen", () => {
    expect(`\n${formatRuns([summary], plain(60), "UTC")}`).toBe(`
started              run       workflow  outcome    carried
2026-01-02 03:04:05  4e5f6071  order     ✓ success   29.4 %
`);
  });

  it.each<[string, Partial<Sketch>, string | undefined, string]>([
    [
      "that carries its run",
      { run: RUN },
      undefined,
      "03:04:05.001  edge              ● span 1             1.0 ms  order acme 4e5f6071",
    ],
    ["that inherits it", {}, RUN, "03:04:05.001  edge              ○ span 1             1.0 ms  order acme 4e5f6071"],
    [
      "that failed",
      { run: RUN, failed: true },
      undefined,
      "03:04:05.001  edge              ● ✗ error span 1       1.0 ms  order acme 4e5f6071",
    ],
  ])("show a span %s", (_title, changes, inheritedRunId, line) => {
    const tailed = { span: span({ id: 1, ...changes }), workflow: "order", customerId: "acme", inheritedRunId };
    expect(formatTailed(tailed, plain(80), "UTC")).toBe(line);
  });

  it("show a span without a run", () => {
    const tailed = { span: span({ id: 1 }), workflow: undefined, customerId: undefined, inheritedRunId: undefined };
    expect(formatTailed(tailed, plain(60), "UTC")).toBe("03:04:05.001  edge              · span 1              1.0 ms");
  });
});
