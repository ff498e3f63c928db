/** Runs tasks in the order given, at most a few at a time. */
export class RequestQueue {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly mostAtOnce: number) {}

  /** The result of `task`, which starts when its turn comes. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.mostAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await task();
    } finally {
      // The slot goes to the next task, which does not count itself again.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
