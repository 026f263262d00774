// The portable suite as a program of its own: one line of JSON on standard output. For Node, Bun and Deno.

import * as core from "@botanu/core";
import * as otlp from "@botanu/otlp";
import * as protobuf from "@botanu/otlp/protobuf";
import * as tracer from "@botanu/tracer";

import { runCases } from "./case.ts";
import { suite } from "./suite.ts";

const receiver = process.env["FAULT_RECEIVER"];
console.log(JSON.stringify(await runCases(suite({ core, tracer, otlp, protobuf }, { store: true, receiver }))));
