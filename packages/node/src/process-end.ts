/** The part of `process` that ending gracefully needs. */
export interface EndingProcess {
  readonly pid: number;
  emit: (event: string, ...args: unknown[]) => boolean;
  on(event: string, listener: (...args: never[]) => void): unknown;
  removeListener(event: string, listener: (...args: never[]) => void): unknown;
  listenerCount(event: string): number;
  kill(pid: number, signal: string): unknown;
}

/** Options of `flushAtEnd`. */
export interface FlushAtEndOptions {
  readonly process: EndingProcess;
  /** Sends what is buffered, within its own time limit; resolves to whether it was all sent. Never rejects. */
  readonly flush: () => Promise<boolean>;
  /** Gives up what is being sent, so that it does not hold the process. */
  readonly abandon: () => void;
  /** Signals reach only the main thread. */
  readonly signals: boolean;
}

const SIGNALS = ["SIGTERM", "SIGINT"];

/**
 * Flushes when a signal asks the process to end and when it runs out of work, and changes nothing else about how it
 * ends: exit codes, the application's own signal handlers and those of libraries that count handlers work as before.
 *
 * While the application has no handler for a signal, one of ours flushes and then sends the signal again, with the
 * default action in place. Once it has one, ours is withdrawn, and the signal only starts a flush beside it.
 */
export function flushAtEnd(options: FlushAtEndOptions): void {
  const { process, flush } = options;
  let given = false;
  process.on("beforeExit", () => {
    if (given) return;
    void flush().then((sent) => {
      if (sent) return;
      given = true;
      options.abandon();
    });
  });
  if (!options.signals) return;
  flushBeside(process, flush);
  for (const signal of SIGNALS) standIn(process, signal, flush);
}

/** Handlers run inside `emit`: looking there shows the signal without being one of the handlers. */
function flushBeside(process: EndingProcess, flush: () => Promise<boolean>): void {
  const original = process.emit;
  process.emit = function emit(this: unknown, event: string, ...args: unknown[]): boolean {
    if (SIGNALS.includes(event)) void flush();
    return original.call(this, event, ...args) as boolean;
  };
}

/** Our handler for one signal, present exactly while there is no other. */
function standIn(process: EndingProcess, signal: string, flush: () => Promise<boolean>): void {
  let present = false;
  let asked = false;
  const handler = (): void => {
    // Process 1 of a container ignores signals without a handler, and goes on doing so.
    if (process.pid === 1) return;
    if (asked) return again();
    asked = true;
    void flush().then(() => {
      if (present) again();
    });
  };
  const again = (): void => {
    show(false);
    process.kill(process.pid, signal);
  };
  const show = (wanted: boolean): void => {
    if (present === wanted) return;
    present = wanted;
    if (wanted) process.on(signal, handler);
    else process.removeListener(signal, handler);
  };
  const settle = (event: string, listener: unknown): void => {
    if (event !== signal || listener === handler || asked) return;
    // Only after the change that is being announced: Node stops listening when the last handler goes.
    queueMicrotask(() => show(process.listenerCount(signal) - (present ? 1 : 0) === 0));
  };
  show(true);
  process.on("newListener", settle);
  process.on("removeListener", settle);
}
