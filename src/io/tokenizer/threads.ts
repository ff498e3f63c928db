/**
 * Spreads the tokenising of many texts over threads. Texts that are few are tokenised here, at once. Threads start when a tokenizer has had
 * enough work to pay for them; until they run, and where they cannot run, texts are tokenised here, piece by piece.
 *
 * The ids are the same, and so are errors: texts that a thread fails on are tokenised again here.
 */
import type { Tokenizer } from "../tokenizer.ts";
import type { ThreadStarter, TokenizeAnswer, TokenizerThread } from "./thread.ts";

/** The token ids of a text. */
export type TokenIds = readonly number[] | Uint32Array;

/** Characters of a piece: some five milliseconds of work. */
const pieceCharacters = 2 ** 15;

/** A text counts as at most this many characters per id that is asked for; the rest is not read. */
const charactersPerId = 8;

/** Pieces of large calls that a tokenizer has had before threads pay: about 0.2 seconds of work, what starting them takes. */
const piecesBeforeThreads = 32;

/** More threads than this do not speed up a caller that also packs batches. */
const mostThreads = 4;

export class TokenizerThreads {
  readonly #tokenizer: Tokenizer;
  readonly #starter: ThreadStarter | null;
  readonly #threads = new Set<TokenizerThread>();
  /** Threads that run and have nothing to do. */
  readonly #idle: TokenizerThread[] = [];
  #pieces = 0;
  #areStarted = false;

  /** `starter` is null in an environment without threads. */
  constructor(tokenizer: Tokenizer, starter: ThreadStarter | null) {
    this.#tokenizer = tokenizer;
    this.#starter = starter !== null && starter.cores > 1 && tokenizer.recipe ? starter : null;
  }

  /** Threads that run. */
  get running(): number {
    return this.#threads.size;
  }

  /**
   * The ids of each text, like `Tokenizer.encode`; throws what the tokenizer throws. `pause` is awaited before each piece that is tokenised
   * here; if absent, other work can run between two pieces.
   */
  async encode(texts: readonly string[], maxLength: number, pause?: () => Promise<void>): Promise<TokenIds[]> {
    const pieces = piecesOf(texts, maxLength);
    if (pieces.length > 1) this.#startThreads(pieces.length);
    const all = new Array<TokenIds>(texts.length);
    const take = (start: number, some: readonly TokenIds[]) => {
      for (const [i, ids] of some.entries()) all[start + i] = ids;
    };
    const encodeHere = (some: readonly string[]) => some.map((text) => this.#tokenizer.encode(text, maxLength));
    const working = new Set<Promise<void>>();
    for (const { start, end } of pieces) {
      const piece = texts.slice(start, end);
      const thread = pieces.length > 1 ? await this.#idleThread(working) : undefined;
      if (thread === undefined) {
        await (pause ? pause() : start > 0 ? nextTurn() : undefined);
        take(start, encodeHere(piece));
        continue;
      }
      const work = this.#inThread(thread, piece, maxLength)
        .then((ids) => take(start, ids ?? encodeHere(piece)))
        .finally(() => working.delete(work));
      // Its error is thrown where the work is awaited.
      work.catch(() => {});
      working.add(work);
    }
    await Promise.all(working);
    return all;
  }

  /** A thread that has nothing to do, once one of those that work for the same call is ready; undefined if none does. */
  async #idleThread(working: ReadonlySet<Promise<void>>): Promise<TokenizerThread | undefined> {
    while (this.#idle.length === 0 && working.size > 0) await Promise.race(working);
    return this.#idle.pop();
  }

  /** Ends the threads. */
  close(): void {
    this.#areStarted = true;
    for (const thread of this.#threads) thread.end();
    this.#threads.clear();
    this.#idle.length = 0;
  }

  /** Null if the thread could not do it. */
  async #inThread(thread: TokenizerThread, texts: readonly string[], maxLength: number): Promise<TokenIds[] | null> {
    try {
      return split(await thread.encode({ texts, maxLength }));
    } catch {
      return null;
    } finally {
      if (this.#threads.has(thread)) this.#idle.push(thread);
    }
  }

  #startThreads(pieces: number): void {
    if (this.#areStarted || this.#starter === null) return;
    this.#pieces += pieces;
    if (this.#pieces < piecesBeforeThreads) return;
    this.#areStarted = true;
    for (let i = 0; i < Math.min(this.#starter.cores, mostThreads); i++) this.#startThread(this.#starter);
  }

  #startThread({ start }: ThreadStarter): void {
    try {
      const thread = start(this.#tokenizer.recipe!);
      this.#threads.add(thread);
      thread.started.then(
        () => {
          if (this.#threads.has(thread)) this.#idle.push(thread);
        },
        () => this.#threads.delete(thread),
      );
    } catch {
      // Threads cannot be started here, such as under a policy that forbids them.
    }
  }
}

/** Texts in pieces of about the same work: from text `start` to before text `end`. */
function piecesOf(texts: readonly string[], maxLength: number): { readonly start: number; readonly end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  let characters = pieceCharacters;
  for (const [i, { length }] of texts.entries()) {
    if (characters >= pieceCharacters) {
      pieces.push({ start: i, end: i });
      characters = 0;
    }
    characters += Math.min(length, maxLength * charactersPerId);
    pieces.at(-1)!.end = i + 1;
  }
  return pieces;
}

function split({ ids, ends }: TokenizeAnswer): Uint32Array[] {
  return Array.from(ends, (end, i) => ids.subarray(i === 0 ? 0 : ends[i - 1]!, end));
}

const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
