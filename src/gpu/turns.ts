/**
 * Runs work that must not overlap, such as work in one program's memory. Each call waits for the earlier ones, whether they succeed or
 * fail.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take<T>(work: () => Promise<T> | T): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }
}
