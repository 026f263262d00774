import { describe, expect, it } from "vitest";

import { type CoverageFinding, type CoverageOptions, type CoverageReport, coverageReport } from "./coverage.ts";
import { isInternal } from "./coverage-rules.ts";
import { OTHER_RUN, RUN, START, type Sketch, spanId, spans } from "./span.fixture.ts";

/** Long after everything arrived. */
const NOW = START + 60_000;

function report(options: Partial<CoverageOptions>, ...traces: readonly (readonly Sketch[])[]): CoverageReport {
  return coverageReport(
    traces.map((sketches) => spans(...sketches)),
    { now: NOW, ...options },
  );
}

function findings(...traces: readonly (readonly Sketch[])[]): readonly CoverageFinding[] {
  return report({}, ...traces).findings;
}

const entry: Sketch = { id: 1, kind: "server", run: RUN, ms: 100 };
const call: Sketch = { id: 2, parent: 1, kind: "client", run: RUN, ms: 50 };

/** A call of `edge` to a port, with its answer. */
function http(port: number, path = "/x"): Readonly<Record<string, unknown>> {
  const url = `http://127.0.0.1:${port}${path}`;
  return { "http.request.method": "GET", "url.full": url, "http.response.status_code": 200 };
}

describe("the figures", () => {
  it("count each span once, as carrying, inherited by its trace, or missing", () => {
    const { services, percent, ...rest } = report(
      {},
      [entry, call, { id: 3, parent: 2, service: "orders", kind: "server" }],
      [{ id: 4, trace: 2, service: "orders", run: RUN }],
      [{ id: 5, trace: 3, service: "cron" }],
    );
    expect(services).toEqual([
      { service: "cron", carries: 0, inherited: 0, missing: 1, language: "" },
      { service: "edge", carries: 2, inherited: 0, missing: 0, language: "" },
      { service: "orders", carries: 1, inherited: 1, missing: 0, language: "" },
    ]);
    expect(rest).toMatchObject({ carries: 3, inherited: 1, missing: 1 });
    expect(percent).toBe(60);
  });

  it("have no percentage without spans", () => {
    expect(report({})).toMatchObject({ percent: undefined, services: [], findings: [] });
  });

  it("of one run leave out the spans of a run nested in it, and of traces without a run", () => {
    const nested = { "botanu.parent_run_id": RUN };
    const traces = [
      [entry, { id: 2, parent: 1, run: OTHER_RUN, attributes: nested }, { id: 3, parent: 2 }, { id: 4, parent: 1 }],
      [{ id: 5, trace: 2 }],
    ];
    expect(report({ runId: RUN }, ...traces)).toMatchObject({ carries: 1, inherited: 1, missing: 0 });
    expect(report({ runId: OTHER_RUN }, ...traces)).toMatchObject({ carries: 1, inherited: 1, missing: 0 });
    expect(report({}, ...traces)).toMatchObject({ carries: 2, inherited: 2, missing: 1 });
  });

  it("give an orphan of two runs to the one that its trace state names", () => {
    const traces = [
      [entry, { id: 2, parent: 1, run: OTHER_RUN }, { id: 3, parent: 99, traceState: `a=1,botanu=${OTHER_RUN}` }],
    ];
    expect(report({ runId: OTHER_RUN }, ...traces)).toMatchObject({ carries: 1, inherited: 1 });
  });

  it("are told in full when everything carries", () => {
    expect(report({}, [entry, call])).toMatchObject({ percent: 100, findings: [] });
  });
});

describe("a service that writes no run id", () => {
  it.each([
    ["nodejs", 'NODE_OPTIONS="--import @botanu/node/register"'],
    ["java", "OTEL_JAVA_EXPERIMENTAL_SPAN_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE=botanu.run_id,botanu.workflow,"],
    ["python", "BaggageSpanProcessor"],
    ["go", "baggagecopy"],
    ["cobol", "a span processor that copies the botanu.* baggage entries"],
  ])("is told what to do in %s", (language, fix) => {
    const [finding, ...others] = findings([entry, { id: 3, parent: 1, service: "orders", kind: "server", language }]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ rule: "not-stamped", certainty: "fact", service: "orders", spans: 1 });
    expect(finding?.fix).toContain(fix);
  });

  it.each<[string, Partial<Sketch>, readonly Sketch[], string]>([
    ["a service below carries it", {}, [{ id: 4, parent: 3, service: "mail", run: RUN }], "orders passes the run on"],
    ["its trace state names it", { traceState: `botanu=${RUN}` }, [], "orders is sent the run (trace state)"],
    ["its caller carries it", {}, [], "orders is called inside the run by edge"],
    ["its caller never arrived", { parent: 77, received: 59_000 }, [], "orders is called inside the run"],
  ])("is told what shows that the run reached it: %s", (_title, changes, more, message) => {
    const [finding] = findings([entry, { id: 3, parent: 1, service: "orders", kind: "server", ...changes }, ...more]);
    expect(finding?.rule).toBe("not-stamped");
    expect(finding?.message).toBe(`${message} and does not write it on its spans`);
  });
});

describe("a service that writes run ids elsewhere", () => {
  const elsewhere: readonly Sketch[] = [{ id: 20, trace: 2, service: "orders", run: OTHER_RUN }];

  it("had its baggage dropped on the way in", () => {
    const inside: Sketch = { id: 4, parent: 3, service: "orders" };
    const [finding, ...others] = findings(
      [entry, { id: 3, parent: 1, service: "orders", kind: "server" }, inside],
      elsewhere,
    );
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ rule: "dropped", certainty: "fact", spans: 2 });
    expect(finding?.message).toBe("baggage is dropped between edge and orders");
    expect(finding?.fix).toContain("in edge");
  });

  it("is known to do so from what was stored before, too", () => {
    const trace = [entry, { id: 3, parent: 1, service: "orders", kind: "server" as const }];
    expect(report({ carriers: new Set(["orders"]) }, trace).findings[0]?.rule).toBe("dropped");
  });

  it("loses the run inside when its own span above carries it", () => {
    const [finding] = findings([
      entry,
      { id: 3, parent: 1, service: "orders", run: RUN },
      { id: 4, parent: 3, service: "orders" },
    ]);
    expect(finding).toMatchObject({ rule: "context-lost", service: "orders", spans: 1 });
  });

  it("has spans in front of the run when it begins below them", () => {
    const [finding, ...others] = findings([{ id: 1 }, { id: 2, parent: 1, run: RUN }]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ rule: "outside-run", service: "edge", spans: 1 });
  });
});

describe("traces without a run", () => {
  it("that link to a run are missing from it, for sure", () => {
    const linked: Sketch = { id: 9, trace: 2, service: "mail", kind: "consumer", links: [{ trace: 1, id: 2 }] };
    const result = report({ runId: RUN }, [linked, { id: 10, trace: 2, parent: 9, service: "mail" }], [entry, call]);
    expect(result).toMatchObject({ carries: 2, missing: 2, percent: 50 });
    expect(result.findings).toMatchObject([{ rule: "linked-trace", certainty: "fact", service: "mail", spans: 2 }]);
  });

  const silent: Sketch = { ...call, attributes: http(8080, "/pay") };
  const answer: Sketch = {
    id: 9,
    trace: 2,
    service: "pay",
    kind: "server",
    at: 10,
    attributes: { "http.request.method": "GET", "url.path": "/pay" },
  };

  it("that fit an unanswered call are probably its answer, and are not counted against the run", () => {
    const result = report({ runId: RUN }, [entry, silent], [answer]);
    expect(result).toMatchObject({ carries: 2, missing: 0, percent: 100 });
    expect(result.findings).toMatchObject([{ rule: "new-trace", certainty: "probable", service: "pay" }]);
    expect(result.findings[0]?.message).toContain("while edge called it");
  });

  it.each([
    ["pay", "new-trace"],
    ["mail", "no-run"],
  ])("are judged by the name of the peer where the caller knows it: %s", (peer, rule) => {
    const named: Sketch = { ...silent, attributes: { ...silent.attributes, "peer.service": peer } };
    expect(findings([entry, named], [{ ...answer, attributes: {} }]).map((each) => each.rule)).toContain(rule);
  });

  it.each<[string, Partial<Sketch>]>([
    ["another path", { attributes: { "http.request.method": "GET", "url.path": "/other" } }],
    ["another method", { attributes: { "http.request.method": "PUT", "url.path": "/pay" } }],
    ["another port", { attributes: { ...answer.attributes, "server.port": 9999 } }],
    ["another time", { at: 5000 }],
    ["a parent", { parent: 70 }],
    ["no incoming call", { kind: "internal" }],
    ["the caller's own service", { service: "edge" }],
  ])("with %s are not taken for the answer", (_title, changes) => {
    const rules = findings([entry, silent], [{ ...answer, ...changes }]).map((each) => each.rule);
    expect(rules).toContain("no-run");
    expect(rules).not.toContain("new-trace");
  });

  it("and nothing that speaks for one are reported at the service where they begin", () => {
    const [finding] = findings([
      { id: 1, service: "cron" },
      { id: 2, parent: 1, service: "db" },
    ]);
    expect(finding).toMatchObject({ rule: "no-run", certainty: "fact", service: "cron", spans: 2 });
  });
});

describe("two runs in one trace", () => {
  const second: Sketch = { id: 3, parent: 2, service: "orders", run: OTHER_RUN };

  it("are a finding at the entry point that began the second", () => {
    const [finding, ...others] = findings([
      entry,
      call,
      second,
      { id: 4, parent: 3, service: "orders", run: OTHER_RUN },
    ]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ rule: "two-runs", service: "orders", spans: 1 });
    expect(finding?.message).toContain(RUN);
  });

  it("are none when the second is nested, or when it returns to the first", () => {
    const nested = { ...second, attributes: { "botanu.parent_run_id": RUN } };
    expect(findings([entry, call, nested, { id: 4, parent: 3, service: "mail", run: RUN }])).toEqual([]);
  });
});

describe("parents that never arrived", () => {
  it.each([
    ["in another process", 0x301, `the parent ${spanId(50)} (in the caller) of a span of edge never arrived`],
    ["in this process", 0x101, `the parent ${spanId(50)} (same process) of a span of edge never arrived`],
    ["somewhere", 0, `the parent ${spanId(50)} of a span of edge never arrived`],
  ])("were %s", (_title, flags, message) => {
    const [finding] = findings([entry, { id: 2, parent: 50, run: RUN, flags }, { id: 3, parent: 51, run: RUN, flags }]);
    expect(finding).toMatchObject({ rule: "orphan", certainty: "fact", spans: 2, message });
  });

  it("are waited for", () => {
    expect(findings([entry, { id: 2, parent: 50, run: RUN, received: 59_000 }])).toEqual([]);
  });
});

describe("calls without an answer", () => {
  const to = (port: number, changes: Partial<Sketch> = {}): Sketch => ({ ...call, attributes: http(port), ...changes });

  it("are probably lost spans when the target is one of ours", () => {
    const [finding] = findings([entry, to(8080)]);
    expect(finding).toMatchObject({ rule: "silent-callee", certainty: "probable", service: "edge" });
    expect(finding?.message).toContain("127.0.0.1:8080 answered edge");
  });

  it("are probably lost spans when the same target answered before, wherever it is", () => {
    const attributes = { ...http(443), "url.full": "https://api.example.com/x" };
    const answered: readonly Sketch[] = [entry, to(0, { attributes }), { id: 3, parent: 2, service: "api", run: RUN }];
    const lost: readonly Sketch[] = [{ ...entry, trace: 2 }, to(0, { trace: 2, attributes })];
    expect(findings(answered, lost)).toMatchObject([{ rule: "silent-callee", spans: 1 }]);
    expect(findings(lost)).toEqual([]);
  });

  it.each<[string, Sketch]>([
    ["did not get through", to(8080, { attributes: { ...http(8080), "http.response.status_code": undefined } })],
    ["are not HTTP", to(8080, { attributes: { "db.system": "postgresql" } })],
    ["have just come in", to(8080, { received: 59_000 })],
  ])("are no finding when they %s", (_title, sketch) => {
    expect(findings([entry, sketch])).toEqual([]);
  });

  it("are no finding when a client below records the same call", () => {
    expect(
      findings([entry, to(8080), { id: 3, parent: 2, run: RUN, kind: "client", attributes: { "db.system": "x" } }]),
    ).toEqual([]);
  });

  it("were sent unsampled when the recorded header says so", () => {
    const header = { "http.request.header.traceparent": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"] };
    const [finding] = findings([entry, to(8080, { attributes: { ...http(8080), ...header } })]);
    expect(finding).toMatchObject({ rule: "unsampled", certainty: "fact" });
  });
});

describe("links to what was not sampled", () => {
  const link = (own: number, linked: number): readonly CoverageFinding[] => {
    const [first, ...rest] = spans({ ...entry, flags: own }, { ...call, flags: own });
    if (first === undefined) throw new Error("no span");
    const links = [{ traceId: "c".repeat(32), spanId: "d".repeat(16), flags: linked, attributes: {} }];
    return coverageReport([[{ ...first, links }, ...rest]], { now: NOW }).findings;
  };

  it("are a fact where the exporter writes the flags", () => {
    expect(link(0x101, 0x100)).toMatchObject([{ rule: "unsampled", certainty: "fact" }]);
  });

  it.each([
    ["the target was sampled", 0x101, 0x101],
    ["the exporter writes no W3C flags", 0x100, 0x100],
    ["the link has no flags", 0x101, 0],
  ])("are none where %s", (_title, own, linked) => {
    expect(link(own, linked)).toEqual([]);
  });
});

describe("baggage headers", () => {
  const header = (text: string | readonly string[]): readonly CoverageFinding[] =>
    findings([{ ...entry, attributes: { "http.request.header.baggage": text } }]);

  it("close to the limits are a finding", () => {
    expect(header("a=1,".repeat(60))).toMatchObject([{ rule: "over-limit" }]);
    expect(header([`a=${"x".repeat(8000)}`])).toMatchObject([{ rule: "over-limit" }]);
  });

  it("of the usual size are none", () => {
    expect(header(["a=1,b=2"])).toEqual([]);
  });
});

describe("the order of findings", () => {
  it("is facts first, then the most spans", () => {
    const rules = findings(
      [entry, { ...call, attributes: http(1) }],
      [{ id: 3, trace: 2, service: "cron" }],
      [
        { id: 4, trace: 3, service: "mail" },
        { id: 5, parent: 4, trace: 3, service: "mail" },
      ],
    ).map(({ rule, service }) => `${rule} ${service}`);
    expect(rules).toEqual(["no-run mail", "no-run cron", "silent-callee edge"]);
  });
});

describe("hostile shapes", () => {
  it("of a hundred thousand levels and of circles end in time", () => {
    const chain = Array.from({ length: 100_000 }, (_, index) => ({
      id: index + 1,
      ...(index > 0 ? { parent: index } : {}),
      service: `s${index % 2}`,
    }));
    const circle: Sketch[] = [
      { id: 1, parent: 2, trace: 2 },
      { id: 2, parent: 1, trace: 2, run: RUN },
      { id: 3, parent: 3, trace: 2 },
    ];
    const started = performance.now();
    const result = report({}, [{ ...chain[0], id: 1, run: RUN }, ...chain.slice(1)], circle);
    expect(result.carries + result.inherited).toBe(100_003);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("isInternal", () => {
  it.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.1.1",
    "localhost",
    "orders",
    "a.svc",
    "x.ns.svc.cluster.local",
    "db.internal",
    "printer.local",
    "[::1]",
    "::1",
    "fd12:3456::1",
  ])("takes %s for one of ours", (host) => expect(isInternal(host)).toBe(true));
  it.each(["", "api.example.com", "8.8.8.8", "172.32.0.1", "2001:db8::1", "127.evil.example.com"])(
    "takes %j for another's",
    (host) => expect(isInternal(host)).toBe(false),
  );
});
