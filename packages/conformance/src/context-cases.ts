import { assert, assertEqual, type Case } from "./case.ts";
import type { Host, Library } from "./suite.ts";

/** The run model, and how a run reaches the code below it. */
export function contextCases(library: Library, host: Host): Case[] {
  return [
    ...runCases(library),
    ...passingCases(library),
    ...(host.store ? storeCases(library) : noStoreCases(library)),
  ];
}

function runCases({ core }: Library): Case[] {
  return [
    {
      title: "run: a new one is its own root and first attempt",
      run: () => {
        const run = core.createRun({ workflow: "w", eventId: "e" });
        assertEqual(
          [run.workflow, run.eventId, run.rootRunId, run.attempt, run.cancelled],
          ["w", "e", run.runId, 1, false],
        );
      },
    },
    {
      title: "run: a nested one names its parent and keeps what it is not given",
      run: () => {
        const outer = core.createRun({ workflow: "outer", eventId: "e", customerId: "c", environment: "test" });
        const inner = core.createRun({ workflow: "inner", customerId: "d", parent: outer });
        assert(inner.runId !== outer.runId, "one id for two runs");
        assertEqual(
          [inner.parentRunId, inner.eventId, inner.customerId, inner.environment],
          [outer.runId, "e", "d", "test"],
        );
      },
    },
    {
      title: "run: a retry keeps the event, the root and the deadline, and counts",
      run: () => {
        const first = core.createRun({ workflow: "w", eventId: "e", deadline: 1_795_415_461_674 });
        const third = core.createRetry(core.createRetry(first));
        assert(third.runId !== first.runId, "one id for two runs");
        assertEqual(
          [third.eventId, third.rootRunId, third.attempt, third.deadline],
          ["e", first.runId, 3, 1_795_415_461_674],
        );
        assert(third.retryOfRunId !== first.runId, "the retry of a retry names the run before it");
      },
    },
    {
      title: "run: the attributes of a span are those of the contract that are known",
      run: () => {
        const run = core.withStep(
          core.createRun({ workflow: "w", eventId: "e", environment: "test", tenantId: "t" }),
          "s",
        );
        assertEqual(core.runAttributes(run), {
          "botanu.run_id": run.runId,
          "botanu.workflow": "w",
          "botanu.event_id": "e",
          "botanu.environment": "test",
          "botanu.tenant_id": "t",
          "botanu.step": "s",
        });
      },
    },
  ];
}

/** Passing by hand: works everywhere, store or not. */
function passingCases({ core }: Library): Case[] {
  return [
    {
      title: "context: a value is seen below and not above",
      run: () => {
        const run = core.createRun({ workflow: "w" });
        const context = core.setRun(core.ROOT_CONTEXT, run);
        assertEqual(core.getRun(context)?.runId, run.runId);
        assertEqual(core.getRun(core.ROOT_CONTEXT), undefined);
      },
    },
    {
      title: "context: with() gives back what the callback gives, and its error",
      run: async () => {
        const context = core.setRun(core.ROOT_CONTEXT, core.createRun({ workflow: "w" }));
        assertEqual(
          core.withContext(context, () => 7),
          7,
        );
        assertEqual(await core.withContext(context, () => Promise.resolve(8)), 8);
        const failure = new Error("mine");
        try {
          core.withContext(context, () => {
            throw failure;
          });
        } catch (error) {
          return assert(error === failure, "another error came out");
        }
        throw new Error("no error came out");
      },
    },
  ];
}

function storeCases({ core }: Library): Case[] {
  const inRun = <R>(workflow: string, fn: () => R): R =>
    core.withContext(core.setRun(core.ROOT_CONTEXT, core.createRun({ workflow })), fn);
  const active = (): string | undefined => core.getRun(core.activeContext())?.workflow;
  return [
    {
      title: "store: the run follows promises, microtasks and timers",
      run: () =>
        inRun("w", async () => {
          assertEqual(active(), "w");
          await Promise.resolve();
          assertEqual(active(), "w");
          await new Promise<void>((resolve) => queueMicrotask(resolve));
          assertEqual(active(), "w");
          await new Promise<void>((resolve) => setTimeout(resolve, 0));
          assertEqual(active(), "w");
        }),
    },
    {
      title: "store: a hundred interleaved runs never see each other",
      run: async () => {
        const seen = await Promise.all(
          Array.from({ length: 100 }, (_, n) =>
            inRun(`w${n}`, async () => {
              for (let turn = 0; turn <= n % 7; turn += 1) await Promise.resolve();
              return active();
            }),
          ),
        );
        assertEqual(
          seen,
          seen.map((_, n) => `w${n}`),
        );
        assertEqual(active(), undefined);
      },
    },
    {
      title: "store: a bound function takes its run along",
      run: () => {
        const bound = core.bindContext(
          core.setRun(core.ROOT_CONTEXT, core.createRun({ workflow: "bound" })),
          (suffix: string) => `${active()}${suffix}`,
        );
        assertEqual(
          inRun("other", () => bound("!")),
          "bound!",
        );
      },
    },
  ];
}

function noStoreCases({ core }: Library): Case[] {
  return [
    {
      title: "no store: the active context is empty and nothing throws",
      run: () => {
        const context = core.setRun(core.ROOT_CONTEXT, core.createRun({ workflow: "w" }));
        const inside = core.withContext(context, () => core.getRun(core.activeContext()));
        assertEqual(inside, undefined);
      },
    },
  ];
}
