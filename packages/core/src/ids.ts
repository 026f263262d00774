const POOL = 256;

let pool: BigUint64Array<ArrayBuffer> | undefined;
let next = POOL;

/**
 * A random span id: 16 lower-case hex digits, never all zero. Numbers are drawn from Web Crypto in pools, and the first
 * pool with the first id, because some hosts refuse randomness at module scope.
 *
 * @see https://www.w3.org/TR/trace-context-2/#parent-id
 */
export function createSpanId(): string {
  if (next === POOL) {
    pool = crypto.getRandomValues(pool ?? new BigUint64Array(POOL));
    next = 0;
  }
  return (pool?.[next++] || 1n).toString(16).padStart(16, "0");
}

/**
 * A random trace id: 32 lower-case hex digits, never all zero.
 *
 * @see https://www.w3.org/TR/trace-context-2/#trace-id
 */
export function createTraceId(): string {
  return createSpanId() + createSpanId();
}
