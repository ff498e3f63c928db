/**
 * Tokenising in another thread: what goes to it and comes back, and how an environment starts one. `threads.ts` spreads texts over several;
 * `thread-node.ts` and `thread-browser.ts` start them.
 */
import type { TokenizerDefinition } from "./definition.ts";
import { FastEngine } from "./fast-engine.ts";
import { encodeFramed, type Framing } from "./framing.ts";

/** Everything that a thread needs to give the ids of a tokenizer. It can be sent to a thread. */
export interface TokenizerRecipe extends Framing {
  /** The checked content of a `tokenizer.json`. */
  readonly definition: object;
}

/** Texts to tokenise, each to at most `maxLength` ids. */
export interface TokenizeRequest {
  readonly texts: readonly string[];
  readonly maxLength: number;
}

/** The ids of the texts, one text after another, and where those of each text end. */
export interface TokenizeAnswer {
  readonly ids: Uint32Array;
  readonly ends: Uint32Array;
}

/** A thread. It handles one request at a time. */
export interface TokenizerThread {
  /** Resolves when the thread runs; rejects where it cannot be started. */
  readonly started: Promise<void>;
  /** Null for texts that it cannot tokenise. Rejects when the thread fails or ends. */
  encode(request: TokenizeRequest): Promise<TokenizeAnswer | null>;
  end(): void;
}

/** How an environment starts threads. */
export interface ThreadStarter {
  /** Cores of the machine. */
  readonly cores: number;
  /** Starts a thread for a tokenizer; it does not keep the process alive while it has nothing to do. May throw. */
  start(recipe: TokenizerRecipe): TokenizerThread;
}

/** The first message that a thread sends. */
const startedMessage = "started";

/** What a thread sends for a request that it cannot answer; the caller tokenises these texts itself and gets the error there. */
const failedMessage = "failed";

/** A message of a thread, and the buffers to transfer with it. */
interface Reply<Answer> {
  readonly answer: Answer;
  readonly transfer: ArrayBuffer[];
}

/** A thread's part: answers messages. The first one is the recipe. */
export class ThreadWork {
  #encode: ((text: string, maxLength: number) => number[]) | null = null;

  answer(message: TokenizerRecipe | TokenizeRequest): Reply<TokenizeAnswer | string> {
    if ("definition" in message) {
      const engine = new FastEngine(message.definition as TokenizerDefinition);
      this.#encode = (text, maxLength) => encodeFramed(engine, message, text, maxLength);
      return { answer: startedMessage, transfer: [] };
    }
    try {
      return joined(message.texts.map((text) => this.#encode!(text, message.maxLength)));
    } catch {
      return { answer: failedMessage, transfer: [] };
    }
  }
}

function joined(all: readonly (readonly number[])[]): Reply<TokenizeAnswer> {
  const ends = new Uint32Array(all.length);
  let end = 0;
  for (const [i, { length }] of all.entries()) ends[i] = end += length;
  const ids = new Uint32Array(end);
  for (const [i, own] of all.entries()) ids.set(own, ends[i]! - own.length);
  return { answer: { ids, ends }, transfer: [ids.buffer, ends.buffer] };
}

/** The end of a thread's channel that its owner has. */
export interface ThreadChannel {
  post(message: TokenizerRecipe | TokenizeRequest): void;
  /** Whether the process waits for the thread; without effect in a browser. */
  hold(isBusy: boolean): void;
  end(): void;
}

/** A thread behind a channel. Its environment passes on what the thread sends (`take`), and that it failed (`fail`). */
export class ChannelThread implements TokenizerThread {
  readonly started: Promise<void>;
  readonly #channel: ThreadChannel;
  #waiting: { readonly resolve: (answer: TokenizeAnswer | null) => void; readonly reject: (error: Error) => void } | null = null;
  #start!: { readonly resolve: () => void; readonly reject: (error: Error) => void };
  #failure: Error | null = null;

  constructor(channel: ThreadChannel, recipe: TokenizerRecipe) {
    this.#channel = channel;
    this.started = new Promise((resolve, reject) => {
      this.#start = { resolve, reject };
    });
    channel.hold(false);
    channel.post(recipe);
  }

  take(message: TokenizeAnswer | string): void {
    if (message === startedMessage) {
      this.#start.resolve();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#channel.hold(false);
    waiting?.resolve(typeof message === "string" ? null : message);
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#start.reject(error);
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  encode(request: TokenizeRequest): Promise<TokenizeAnswer | null> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#channel.hold(true);
      this.#channel.post(request);
    });
  }

  end(): void {
    this.#channel.end();
    this.fail(new Error("the thread was ended"));
  }
}
