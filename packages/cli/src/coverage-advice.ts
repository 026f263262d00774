// What the coverage report says: one sentence of what is wrong and one line of what to do, per rule.

/** Why spans of a service do not carry the run. */
export type CoverageRule =
  | "not-stamped"
  | "dropped"
  | "context-lost"
  | "outside-run"
  | "linked-trace"
  | "new-trace"
  | "no-run"
  | "two-runs"
  | "orphan"
  | "silent-callee"
  | "unsampled"
  | "over-limit";

/** What the sentence is made of. */
interface Circumstances {
  readonly service: string;
  /** The other service, target or id that the rule speaks of. */
  readonly other: string;
  /** `telemetry.sdk.language` of the service. */
  readonly language: string;
}

interface Advice {
  /** False for what is concluded from circumstances: it is printed as probable and never counted. */
  readonly fact: boolean;
  readonly message: (about: Circumstances) => string;
  readonly fix: (about: Circumstances) => string;
}

const KEYS = ["run_id", "workflow", "event_id", "customer_id", "environment", "tenant_id", "parent_run_id", "step"];
const JAVA = `OTEL_JAVA_EXPERIMENTAL_SPAN_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE=${KEYS.map((key) => `botanu.${key}`).join(",")}`;

const STAMP: Readonly<Record<string, string>> = {
  nodejs: 'start it with NODE_OPTIONS="--import @botanu/node/register"',
  java: `start it with ${JAVA}`,
  python: "add a BaggageSpanProcessor (opentelemetry-processor-baggage) for keys that begin with botanu.",
  go: "add the baggagecopy span processor of opentelemetry-go-contrib for keys that begin with botanu.",
};
const STAMP_ANY = "add a span processor that copies the botanu.* baggage entries to span attributes";

/** One entry per rule; the order is the order of the report. */
export const ADVICE: Readonly<Record<CoverageRule, Advice>> = {
  "not-stamped": {
    fact: true,
    message: ({ service, other }) => `${service} ${other} and does not write it on its spans`,
    fix: ({ language }) => STAMP[language] ?? STAMP_ANY,
  },
  dropped: {
    fact: true,
    message: ({ service, other }) => `baggage is dropped between ${other} and ${service}`,
    fix: ({ other }) =>
      `let every proxy on the way pass the baggage header, and set OTEL_PROPAGATORS=tracecontext,baggage in ${other}`,
  },
  "context-lost": {
    fact: true,
    message: ({ service }) => `${service} loses the run inside the process: spans start outside of its context`,
    fix: () => "start them in the callback of the run, or bind the callback with bindContext",
  },
  "outside-run": {
    fact: true,
    message: ({ service }) => `${service} has spans in front of the run: it begins further down`,
    fix: () => "let the run begin in the first service, and put the botanu adapter in front of other instrumentation",
  },
  "linked-trace": {
    fact: true,
    message: ({ service }) => `${service} handles a message of a run (span link) without reading the run from it`,
    fix: () => "extract baggage from the message: its attributes, or the member _botanu of its body",
  },
  "new-trace": {
    fact: false,
    message: ({ service, other }) => `${service} began a new trace while ${other} called it: context not extracted`,
    fix: ({ service }) => `set OTEL_PROPAGATORS=tracecontext,baggage in ${service}, and let proxies pass traceparent`,
  },
  "no-run": {
    fact: true,
    message: ({ service }) => `traces begin in ${service} without a run`,
    fix: () => "name a workflow there (botanu({ workflow })), unless no business run enters by it",
  },
  "two-runs": {
    fact: true,
    message: ({ service, other }) => `an entry point in ${service} began a new run inside the run ${other}`,
    fix: () => "trust the caller to join its run (trust: true), or nest on purpose (newRun: true)",
  },
  orphan: {
    fact: true,
    message: ({ service, other }) => `the parent ${other} of a span of ${service} never arrived`,
    fix: () => "exporter not flushed, parent sampled out, or a hop without instrumentation: look at the caller",
  },
  unsampled: {
    fact: true,
    message: ({ service, other }) =>
      other === ""
        ? `${service} handles messages of a sender that was not sampled: the sender's spans were never made`
        : `${service} calls ${other} with the sampled flag off`,
    fix: ({ service, other }) =>
      `let ${other === "" ? "the sender" : service} sample always or by run (OTEL_TRACES_SAMPLER=always_on), whatever its caller's flag says`,
  },
  "silent-callee": {
    fact: false,
    message: ({ service, other }) => `${other} answered ${service}, and no span of the answer arrived`,
    fix: () => "the callee sampled it out, did not flush its exporter, or is not instrumented",
  },
  "over-limit": {
    fact: true,
    message: ({ service }) => `${service} handles a baggage header close to the limit of 64 members or 8,192 bytes`,
    fix: () => "send fewer members: beyond the limit foreign members are left out",
  },
};
