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

/** Without a pause, other work can run after so many milliseconds; to wait for a turn takes one itself, in a browser four. */
const turnMilliseconds = 20;

/** Pieces of large calls that a tokenizer has had before threads pay: about 0.2 seconds of work, what starting them takes. */
const piecesBeforeThreads = 32;

/** More threads than this do not speed up a caller that also packs batches. */
const mostThreads = 4;

/** What happens between the pieces of a call. */
export interface TokenizingOptions {
  /** Awaited before each piece that is tokenised in this thread, and ends the call by throwing; if absent, other work can run between two. */
  readonly pause?: (() => Promise<void>) | undefined;
  /** Ends the call between two pieces. */
  readonly signal?: AbortSignal | undefined;
}

/** From text `start` to before text `end`. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

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

  /** The ids of each text, like `Tokenizer.encode`; throws what the tokenizer throws, what `pause` throws, and the signal's reason. */
  async encode(texts: readonly string[], maxLength: number, { pause, signal }: TokenizingOptions = {}): Promise<TokenIds[]> {
    const pieces = piecesOf(texts, maxLength);
    if (pieces.length > 1) this.#startThreads(pieces.length);
    const all = new Array<TokenIds>(texts.length);
    const put = (start: number, some: readonly TokenIds[]) => {
      for (const [i, ids] of some.entries()) all[start + i] = ids;
    };
    let turn = performance.now();
    const encodeHere = async ({ start, end }: Piece) => {
      if (pause) await pause();
      else if (performance.now() - turn > turnMilliseconds) {
        await nextTurn();
        turn = performance.now();
      }
      put(
        start,
        texts.slice(start, end).map((text) => this.#tokenizer.encode(text, maxLength)),
      );
    };
    // Work that fails stays here, so that its error is thrown.
    const working = new Set<Promise<void>>();
    for (const piece of pieces) {
      signal?.throwIfAborted();
      const thread = pieces.length > 1 ? await this.#idleThread(working) : undefined;
      if (thread === undefined) {
        await encodeHere(piece);
        continue;
      }
      const work = this.#inThread(thread, texts.slice(piece.start, piece.end), maxLength)
        .then((ids) => (ids === null ? encodeHere(piece) : put(piece.start, ids)))
        .then(() => void working.delete(work));
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

  /** Null if the thread could not do it. One that failed gets no more work. */
  async #inThread(thread: TokenizerThread, texts: readonly string[], maxLength: number): Promise<TokenIds[] | null> {
    try {
      const answer = await thread.encode({ texts, maxLength });
      if (this.#threads.has(thread)) this.#idle.push(thread);
      return answer && split(answer);
    } catch {
      this.#threads.delete(thread);
      return null;
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

/** Texts in pieces of about the same work. */
function piecesOf(texts: readonly string[], maxLength: number): Piece[] {
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
