import { type CoverageReport, type RunTree, runTree } from "@botanu/cli";
import { AS_INTENDED, BREAKS, type Break, brokenScenario, type Scenario, STOCK } from "./scenario.ts";
import { startStory } from "./story.ts";
import { tell } from "./tell.ts";

const SERVICES = ["notify-api", "orders-api", "orders-consumer", "orders-edge", "orders-intake"];
const UNEDITED = ["notify-api", "orders-api"];
/** The report waits this long for a parent; here nothing more is on its way. */
const GRACE_MILLIS = 15_000;
const MIN_TRACES = 3;
const MIN_ATTEMPT_GROUPS = 3;
/** `STATUS_CODE_ERROR` of OTLP. */
const ERROR = 2;
/** The Lambda function, whose first attempt fails. */
const FUNCTION = "orders-intake";

/** What one scenario left in the store. */
interface Outcome {
  readonly status: number;
  readonly tree: RunTree | undefined;
  /** Of everything that is stored: what reached no run is in it as well. */
  readonly coverage: CoverageReport;
}

/** The coverage rule that has to name each break. */
const NAMED_BY: Readonly<Record<Break, readonly string[]>> = {
  baggage: ["dropped"],
  flush: ["orphan"],
  sampling: ["unsampled"],
};

/** Runs every scenario and asserts what came of it. Prints one line per assertion; 0 when all of them hold. */
export async function check(): Promise<number> {
  const started = Date.now();
  const results = [await asIntended(), await stock()];
  for (const broken of BREAKS) results.push(await namesTheBreak(broken));
  const failed = results.flat().filter((each) => !each);
  const verdict = failed.length === 0 ? "all hold" : `${failed.length} do not hold`;
  process.stdout.write(
    `${results.flat().length} assertions, ${verdict}, in ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
  );
  return failed.length === 0 ? 0 : 1;
}

async function asIntended(): Promise<boolean[]> {
  const { status, tree, coverage } = await play(AS_INTENDED, true);
  const services = (tree?.lanes ?? []).map((lane) => lane.service).toSorted();
  return [
    assert("the order is accepted", status === 202, status),
    assert(`the run spans at least ${MIN_TRACES} traces`, (tree?.traces ?? 0) >= MIN_TRACES, tree?.traces),
    assert("five services are in it", JSON.stringify(services) === JSON.stringify(SERVICES), services),
    assert("three attempts were retried", (tree?.attempts.length ?? 0) >= MIN_ATTEMPT_GROUPS, tree?.attempts.length),
    assert(
      "the function's first attempt failed, and its second went through",
      firstFailed(tree),
      tree?.attempts.length,
    ),
    assert("no span lost its parent", tree?.orphans === 0, tree?.orphans),
    assert("every span of every service carries the run", coverage.percent === 100, coverage.percent),
  ];
}

/** Whether the Worker called the function twice: once in vain, and once to the end. */
function firstFailed(tree: RunTree | undefined): boolean {
  const [first, second] =
    (tree?.attempts ?? []).map(({ spans }) => spans).find((spans) => callsFunction(tree, spans)) ?? [];
  return first?.statusCode === ERROR && second !== undefined && second.statusCode !== ERROR;
}

function callsFunction(tree: RunTree | undefined, spans: RunTree["attempts"][number]["spans"]): boolean {
  return (
    spans.length === 2 &&
    spans.every(({ service }) => service === "orders-edge") &&
    (tree?.lanes ?? []).some(({ service }) => service === FUNCTION)
  );
}

async function stock(): Promise<boolean[]> {
  const { coverage } = await play(STOCK, false);
  const unedited = coverage.services.filter(({ service }) => UNEDITED.includes(service));
  const carries = unedited.reduce((sum, each) => sum + each.carries, 0);
  const spans = unedited.reduce((sum, each) => sum + each.carries + each.inherited + each.missing, 0);
  return [
    assert("under the stock agent both services send spans", unedited.length === UNEDITED.length && spans > 0, spans),
    assert("and none of them carries the run", carries === 0, carries),
    assert("so that coverage is below 100 %", (coverage.percent ?? 100) < 100, coverage.percent),
    assert("and coverage says why", coverage.findings.length > 0, coverage.findings.length),
  ];
}

async function namesTheBreak(broken: Break): Promise<boolean[]> {
  const { coverage } = await play(brokenScenario(broken), false);
  const rules = coverage.findings.map((finding) => finding.rule);
  return [
    assert(
      `coverage names the broken ${broken}`,
      rules.some((rule) => NAMED_BY[broken].includes(rule)),
      rules,
    ),
  ];
}

async function play(scenario: Scenario, aloud: boolean): Promise<Outcome> {
  process.stdout.write(`${scenario.name}: ${scenario.what}\n`);
  const story = await startStory(scenario);
  try {
    const order = await story.placeOrder();
    if (aloud) await tell(story, order);
    const store = story.openStore(GRACE_MILLIS);
    try {
      const data = order.runId === undefined ? undefined : store.getRun(order.runId);
      return { status: order.status, tree: data && runTree(data), coverage: store.coverage() };
    } finally {
      store.close();
    }
  } finally {
    await story.stop();
  }
}

function assert(what: string, holds: boolean, found: unknown): boolean {
  process.stdout.write(holds ? `  ✓ ${what}\n` : `  ✗ ${what}: found ${JSON.stringify(found)}\n`);
  return holds;
}
