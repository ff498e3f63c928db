/**
 * Tracks whether an object that holds a device's memory is still open. Everything that closes has a lifetime, so that use after closing
 * throws `ClosedError`.
 */
import { ClosedError } from "../errors.ts";

export class Lifetime {
  readonly #subject: string;
  readonly #remedy: string;
  #isOpen = true;

  /** `subject` names the object at the beginning of a sentence, such as "The program". */
  constructor(subject: string, remedy: string) {
    this.#subject = subject;
    this.#remedy = remedy;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The error for using the object after `end`. */
  get error(): ClosedError {
    return new ClosedError(`${this.#subject} is closed.`, this.#remedy);
  }

  /** Throws `ClosedError` after `end`. */
  check(): void {
    if (!this.#isOpen) throw this.error;
  }

  /** Ends the lifetime. Returns true only the first time, so that the object's memory is freed once. */
  end(): boolean {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    return wasOpen;
  }
}
