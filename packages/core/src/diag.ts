/** Where warnings of the library go. There is no default output. */
export interface Diag {
  warn(message: string): void;
  error(message: string): void;
}

const MAX_KEYS = 1000;
const SILENT: Diag = { warn() {}, error() {} };
const warned = new Set<string>();
let current = SILENT;

/** Sets where warnings go, for every package that is not given a diag of its own. Without argument: nowhere. */
export function setDiag(diag: Diag = SILENT): void {
  current = diag;
  warned.clear();
}

/** The diag that was set, else a silent one. */
export function diag(): Diag {
  return current;
}

/** Warns the first time that a key is seen; remembers at most 1,000 keys and is silent about others. */
export function warnOnce(key: string, message: string, to: Diag = current): void {
  if (warned.has(key) || warned.size >= MAX_KEYS) return;
  warned.add(key);
  to.warn(message);
}
