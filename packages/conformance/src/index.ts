/**
 * What the cross-checks share: the portable suite with its vectors, programs for the comparison of two tracers, and
 * the types of the type tests.
 * @module
 */

export type { Assignable, Holds } from "./assignable.ts";
export { assert, assertEqual, runCases, type Case, type Report } from "./case.ts";
export { generateProgram } from "./differential/generator.ts";
export {
  perform,
  REMOTE,
  type Call,
  type Program,
  type SpanDescription,
  type Subject,
} from "./differential/program.ts";
export { createOurs, SpanCollector, subjectOf } from "./differential/subject.ts";
export { PROGRAMS } from "./differential/table.ts";
export { OtlpSink, type SunkSpan } from "./otlp-sink.ts";
export { GETTER, MESSAGES, readOurs, SETTER, writeOurs, type Message, type Propagator } from "./propagators.ts";
export { suite, type Host, type Library } from "./suite.ts";
