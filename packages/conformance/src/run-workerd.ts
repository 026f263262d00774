// The portable suite as a Worker for `workerd test`, on the main entries alone.

import * as core from "@botanu/core";
import * as otlp from "@botanu/otlp";
import * as protobuf from "@botanu/otlp/protobuf";
import * as tracer from "@botanu/tracer";

import { runCases } from "./case.ts";
import { suite } from "./suite.ts";

interface Bindings {
  readonly STORE: string;
  readonly FAULT_RECEIVER: string;
}

export default {
  async test(_controller: unknown, env: Bindings): Promise<void> {
    const host = { store: env.STORE === "yes", receiver: env.FAULT_RECEIVER };
    console.log(JSON.stringify(await runCases(suite({ core, tracer, otlp, protobuf }, host))));
  },
};
