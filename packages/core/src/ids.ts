const POOL_BYTES = 512;

let pool: Uint8Array<ArrayBuffer> | undefined;
let used = POOL_BYTES;

/**
 * Random lower-case hex from Web Crypto. Bytes are drawn in pools, and the first pool when the first id is asked for,
 * because some hosts refuse randomness at module scope.
 */
export function randomHex(bytes: number): string {
  if (used + bytes > POOL_BYTES) {
    pool = crypto.getRandomValues(pool ?? new Uint8Array(POOL_BYTES));
    used = 0;
  }
  let hex = "";
  for (const end = used + bytes; used < end; used++) hex += ((pool?.[used] ?? 0) + 256).toString(16).slice(1);
  return hex;
}

/** A random trace id: 32 lower-case hex digits, never all zero. https://www.w3.org/TR/trace-context-2/#trace-id */
export function createTraceId(): string {
  return notZero(randomHex(16));
}

/** A random span id: 16 lower-case hex digits, never all zero. https://www.w3.org/TR/trace-context-2/#parent-id */
export function createSpanId(): string {
  return notZero(randomHex(8));
}

function notZero(id: string): string {
  return /[^0]/.test(id) ? id : `${id.slice(1)}1`;
}
