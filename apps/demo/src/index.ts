// One business run across a real edge runtime, a queue and services without tracing code, in one command.
//   --check            does it, asserts what came of it, tries the stock agent and every break as well, and ends
//   --stock            services under the stock OpenTelemetry agent
//   --break <what>     breaks one thing: baggage, flush or sampling

import { parseArgs } from "node:util";
import { check } from "./check.ts";
import { AS_INTENDED, BREAKS, brokenScenario, isBreak, type Scenario, STOCK } from "./scenario.ts";
import { tell } from "./tell.ts";
import { startStory } from "./story.ts";

const USAGE = `usage: npm run demo -- [--check] [--stock] [--break ${BREAKS.join("|")}]\n`;

const options = read();
if (options === undefined) {
  process.stderr.write(USAGE);
  process.exit(2);
}
if (options.check) {
  process.exitCode = await check();
} else {
  await show(options.scenario);
}

function read(): { readonly check: boolean; readonly scenario: Scenario } | undefined {
  try {
    const { values } = parseArgs({
      options: { check: { type: "boolean" }, stock: { type: "boolean" }, break: { type: "string" } },
    });
    const broken = values.break;
    if (broken !== undefined && !isBreak(broken)) return undefined;
    const scenario = broken !== undefined ? brokenScenario(broken) : values.stock === true ? STOCK : AS_INTENDED;
    return { check: values.check === true, scenario };
  } catch {
    return undefined;
  }
}

/** Sends one order, tells what came of it, and stays up until it is interrupted. */
async function show(scenario: Scenario): Promise<void> {
  process.stdout.write(`${scenario.name}: ${scenario.what}\n`);
  const story = await startStory(scenario);
  process.stdout.write(`up in ${(story.readyMillis / 1000).toFixed(1)} s\n\n`);
  const ended = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  try {
    const order = await story.placeOrder();
    await tell(story, order);
    process.stdout.write(
      `\nsend another:   curl -X POST ${story.entry} -H 'content-type: application/json' -d '{"id":"order-2","customer":"acme"}'\n` +
        `look closer:    npm run -s botanu -- runs --db ${story.database}\n` +
        `                npm run -s botanu -- tail --db ${story.database}\n` +
        `stop:           Ctrl-C\n`,
    );
    await ended;
  } finally {
    await story.stop();
  }
}
