// Workflows of which one execution is many invocations: they carry the execution's name, and that names the run.

import { ENVELOPE_KEY } from "@botanu/core";
import { objectOf, textOf } from "./platform.ts";

/**
 * The ARN of the execution that an event belongs to: of a durable function, or of Step Functions, whose input has it as `Id` of the
 * context object's `Execution`, at the top or in the reserved member, or as `executionArn` in the reserved member.
 */
function executionArn(event: unknown): string | undefined {
  const envelope = objectOf(event, ENVELOPE_KEY);
  const arn =
    textOf(event, "DurableExecutionArn") ??
    textOf(objectOf(event, "Execution"), "Id") ??
    textOf(objectOf(envelope, "Execution"), "Id") ??
    textOf(envelope, "executionArn");
  return arn && arn.length <= 2048 && arn.startsWith("arn:") ? arn : undefined;
}

/**
 * A run id that is the same for every invocation and every replay of an execution: a UUID of version 8 from the hash of its ARN.
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.8
 */
export function executionRunId(event: unknown): string | undefined {
  const arn = executionArn(event);
  if (!arn) return undefined;
  // Few functions are part of an execution, and the module takes more time to load than all of this package.
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update(arn).digest("hex");
  const variant = "89ab"[parseInt(hash[16] ?? "0", 16) & 3] ?? "8";
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
