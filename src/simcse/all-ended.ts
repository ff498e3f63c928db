/**
 * Waits for work that goes on at the same time. Unlike with `Promise.all`, an error is thrown only when all of it has ended, so that nothing
 * is still going on.
 */

/** The results in order. Throws the first error of any of them. */
export async function allEnded<T>(work: readonly Promise<T>[]): Promise<T[]> {
  return allOrNone(work, () => {});
}

/** The same for what must be closed: if one cannot be made, the others are closed. */
export async function allOrNone<T>(making: readonly Promise<T>[], close: (made: T) => void): Promise<T[]> {
  const ended = await Promise.allSettled(making);
  const made = ended.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed === undefined) return made;
  for (const one of made) close(one);
  throw failed.reason;
}
