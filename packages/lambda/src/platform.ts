// Lambda's own shapes, as far as they are used here.

/** The second argument of a handler. Members differ by runtime: `done` and its like are there up to Node 22. */
export interface LambdaContext {
  readonly functionName?: string;
  readonly functionVersion?: string;
  readonly invokedFunctionArn?: string;
  readonly awsRequestId?: string;
  /** Of a direct invocation. */
  readonly clientContext?: unknown;
  readonly xRayTraceId?: string;
  getRemainingTimeInMillis?(): number;
  done?: ((error?: unknown, result?: unknown) => void) | undefined;
  succeed?: ((result?: unknown) => void) | undefined;
  fail?: ((error?: unknown) => void) | undefined;
}

/** By these registered symbols the runtime client tells a streaming handler from others. */
export const STREAMING: symbol = /* @__PURE__ */ Symbol.for("aws.lambda.runtime.handler.streaming");

/** Anything that was parsed from JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** An object that is neither null nor a list. */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member that is a text. */
export function textOf(source: unknown, name: string): string | undefined {
  const value = isObject(source) ? source[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

/** A member that is an object. */
export function objectOf(source: unknown, name: string): Json | undefined {
  const value = isObject(source) ? source[name] : undefined;
  return isObject(value) ? value : undefined;
}

/** A member that is a list of objects. */
export function listOf(source: unknown, name: string): readonly Json[] {
  const value = isObject(source) ? source[name] : undefined;
  return Array.isArray(value) ? value.filter(isObject) : [];
}
