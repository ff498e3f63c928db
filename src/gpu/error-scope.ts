/**
 * Who owns an error. WebGPU reports an invalid call or a lack of memory some time after the call, to the innermost error scope that was open when the call was
 * made. Scopes form one stack for each device. So a scope encloses synchronous work only: if it stayed open across an `await`, it would catch the errors of others.
 */
const filters = ["validation", "out-of-memory"] as const satisfies readonly GPUErrorFilter[];

/** What the device found wrong in a piece of work. */
export interface Refusal {
  readonly kind: (typeof filters)[number];
  readonly message: string;
}

/** The result of work in a scope, and later the first thing that the device found wrong in it. */
export interface Scoped<T> {
  readonly result: T;
  /** Null when all was well, or when the device was lost before it could say. Never rejects. */
  readonly refusal: Promise<Refusal | null>;
}

/** Runs synchronous `work` in an error scope of its own. What `work` throws passes through. */
export function inErrorScope<T>(gpu: GPUDevice, work: () => T): Scoped<T> {
  for (const filter of filters) gpu.pushErrorScope(filter);
  // The innermost scope is the last filter's.
  const close = () =>
    filters.toReversed().map(async (kind): Promise<Refusal | null> => {
      const error = await gpu.popErrorScope().catch(() => null);
      return error && { kind, message: error.message };
    });
  let result: T;
  try {
    result = work();
  } catch (error) {
    close();
    throw error;
  }
  return { result, refusal: Promise.all(close()).then((found) => found.find((refusal) => refusal !== null) ?? null) };
}
