/**
 * Assigns each error to the work that caused it. WebGPU reports an invalid call or a lack of memory some time after the call, to the
 * innermost error scope that was open during it. Each device has one stack of scopes. So a scope encloses only synchronous work: if it
 * stayed open across an `await`, it would catch the errors of others.
 */
const filters = ["validation", "out-of-memory"] as const satisfies readonly GPUErrorFilter[];

/** An error that the device found in a piece of work. */
export interface Refusal {
  readonly kind: (typeof filters)[number];
  readonly message: string;
}

/** The result of work in a scope, and later the first error that the device found in it. */
export interface Scoped<T> {
  readonly result: T;
  /** Null when there was no error, or when the device was lost before it could report one. Never rejects. */
  readonly refusal: Promise<Refusal | null>;
}

/** Runs synchronous `work` in its own error scope. Exceptions of `work` pass through. */
export function inErrorScope<T>(gpu: GPUDevice, work: () => T): Scoped<T> {
  for (const filter of filters) gpu.pushErrorScope(filter);
  let result: T;
  try {
    result = work();
  } catch (error) {
    closeScope(gpu);
    throw error;
  }
  return { result, refusal: closeScope(gpu) };
}

/** Closes the scope at once, and waits for what the device found in it. */
async function closeScope(gpu: GPUDevice): Promise<Refusal | null> {
  // The innermost scope is the last filter's.
  const closed = filters.toReversed().map((kind) => ({ kind, found: gpu.popErrorScope().catch(() => null) }));
  for (const { kind, found } of closed) {
    const error = await found;
    if (error !== null) return { kind, message: error.message };
  }
  return null;
}
