// The built-in handler of the bed: says which run is active, and for batches that of each record.

import { botanuHandler, forEachRecord } from "@botanu/lambda";
import type { RunContext } from "@botanu/core";
import { activeRun } from "@botanu/tracer";

export const handler = botanuHandler({ workflow: "probe", trust: true }, async (event: unknown) => {
  const records: (RunContext | null)[] = [];
  if (isBatch(event)) await forEachRecord(event, () => records.push(activeRun() ?? null));
  return { run: activeRun() ?? null, records };
});

function isBatch(event: unknown): event is object {
  return typeof event === "object" && event !== null && ["Records", "records"].some((key) => key in event);
}
