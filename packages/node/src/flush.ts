/** The part of a processor or exporter that a flush uses. */
export interface Flushable {
  forceFlush?(): Promise<void>;
}

/** Options of `createFlush`. */
export interface FlushOptions {
  readonly processors: readonly Flushable[];
  readonly exporters: readonly (Flushable & { abandon(): void })[];
  /** How long one flush may take, in milliseconds. */
  readonly timeoutMillis: number;
}

/**
 * A flush that ends in time whatever the receiver does. It never rejects, calls made meanwhile share it, and it
 * resolves to whether everything was handed over.
 */
export function createFlush(options: FlushOptions): () => Promise<boolean> {
  let current: Promise<boolean> | undefined;
  return () => {
    current ??= bounded(flushAll(options), options.timeoutMillis).finally(() => {
      current = undefined;
    });
    return current;
  };
}

/** The SDK's batches forget the export that is under way, so the exporters are asked as well. */
async function flushAll({ processors, exporters }: FlushOptions): Promise<void> {
  await Promise.allSettled(processors.map(async (each) => each.forceFlush?.()));
  await Promise.allSettled(exporters.map(async (each) => each.forceFlush?.()));
}

async function bounded(work: Promise<void>, timeoutMillis: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMillis);
  });
  const result = await Promise.race([work.then(() => true), timeout]);
  clearTimeout(timer);
  return result;
}
