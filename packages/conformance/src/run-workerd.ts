// The portable suite as a Worker for `workerd test`, on the main entries alone.

import * as core from "@botanu/core";
import * as tracer from "@botanu/tracer";

import { runCases } from "./case.ts";
import { suite } from "./suite.ts";

export default {
  async test(_controller: unknown, env: { readonly STORE: string }): Promise<void> {
    console.log(JSON.stringify(await runCases(suite({ core, tracer }, { store: env.STORE === "yes" }))));
  },
};
