import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as core from "@botanu/core";
import * as otlp from "@botanu/otlp";
import * as protobuf from "@botanu/otlp/protobuf";
import * as tracer from "@botanu/tracer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { type FaultReceiver, startFaultReceiver } from "./fault-receiver.ts";
import { HOSTS } from "./hosts.ts";
import { suite } from "./suite.ts";

let folder: string;
let receiver: FaultReceiver;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "botanu-hosts-"));
  receiver = await startFaultReceiver();
});
afterAll(async () => {
  await receiver.close();
  await rm(folder, { recursive: true, force: true });
});

describe("the portable suite", () => {
  for (const host of HOSTS) {
    it(`holds in ${host.title}`, { timeout: 60_000 }, async ({ skip }) => {
      try {
        await host.probe();
      } catch (error) {
        if (process.env["CI"]) throw error;
        console.warn(`${host.title} was left out: ${String(error)}`);
        skip(String(error));
      }
      const report = await host.run(folder, receiver.url);
      expect(report.failures).toEqual([]);
      const expected = { store: !host.title.endsWith("no store"), receiver: receiver.url };
      expect(report.passed).toBe(suite({ core, tracer, otlp, protobuf }, expected).length);
    });
  }
});
