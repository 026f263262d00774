import { activeContext, BotanuError, type Context, getRun, setRun, STEP, withStep } from "@botanu/core";
import { getScope, recordFailure, setScope } from "./failure.ts";
import { traceCall } from "./result.ts";
import { activeTracer } from "./tracer.ts";
import { SpanKind } from "./types.ts";

/**
 * Carries out a named step of a run: calls `fn` below a span `botanu.step/<name>`, and every span below that one carries the step,
 * here and in the services that are called. Steps nest; the innermost counts. The step lasts as long as a run does in `withRun`, and
 * gives back what `fn` gives. Outside a run there is the span alone.
 *
 * @throws BotanuError ERR_INVALID_OPTION when the name is not a text.
 */
export function step<R>(name: string, fn: (context: Context) => R, context: Context = activeContext()): R {
  if (typeof name !== "string" || !name) throw new BotanuError("ERR_INVALID_OPTION", "step must have a name");
  const tracer = activeTracer(context);
  const run = getRun(context);
  const inStep = run ? setRun(context, withStep(run, name)) : context;
  const span = tracer.startSpan(
    `botanu.step/${name}`,
    { kind: SpanKind.INTERNAL, attributes: { [STEP]: name } },
    inStep,
  );
  const active = setScope(tracer.contextWith(inStep, span), getScope(context)?.span);
  return traceCall(
    active,
    () => fn(active),
    (failed, value) => {
      if (failed) recordFailure(span, value, active);
      span.end();
    },
  );
}
