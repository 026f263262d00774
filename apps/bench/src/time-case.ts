// One case of one library in a process of its own: warms up, then prints the best time of an operation in nanoseconds.
// The best of many short batches is what the code costs when nothing else runs on the core.

import type { Case } from "./libraries/cases.ts";

const [file = "", name = ""] = process.argv.slice(2);
const { cases } = (await import(file)) as { cases: Record<string, Case> };
const create = cases[name];
if (create === undefined) throw new Error(`${file} has no case ${name}`);
const operation = create();

const BATCH_NANOS = 2_000_000;
const BATCHES = 60;
const WARM_UP_MILLIS = 400;

const warmUntil = Date.now() + WARM_UP_MILLIS;
let operations = 0;
while (Date.now() < warmUntil) {
  operation();
  operations++;
}
const perBatch = Math.max(1, Math.round((operations / WARM_UP_MILLIS / 1_000_000) * BATCH_NANOS));

let best = Number.POSITIVE_INFINITY;
for (let batch = 0; batch < BATCHES; batch++) {
  const started = process.hrtime.bigint();
  for (let index = 0; index < perBatch; index++) operation();
  best = Math.min(best, Number(process.hrtime.bigint() - started) / perBatch);
}
process.stdout.write(`${best}\n`);
