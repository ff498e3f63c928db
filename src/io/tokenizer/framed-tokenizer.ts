/** The tokenizer of a source: an engine, with special tokens around each text and truncation. */
import { FormatError, OptionError } from "../../errors.ts";
import { show } from "../../show.ts";
import type { TokenizerEngine } from "./engine.ts";
import { FastEngine } from "./fast-engine.ts";
import { encodeFramed, type Framing } from "./framing.ts";
import { checkedFrame } from "./special-tokens.ts";
import type { TokenizerRecipe } from "./thread.ts";
import { completed } from "./tokenizer-files.ts";
import type { TokenizerSource } from "./tokenizer-source.ts";
import { tokensOf } from "./vocabularies.ts";

/** A `Tokenizer` (../tokenizer.ts, where its members are described). */
export class FramedTokenizer {
  readonly vocabSize: number = 0;
  readonly leastRows: number;
  readonly padId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly unknownId: number | null;
  readonly recipe: TokenizerRecipe | undefined;
  readonly files: ReadonlyMap<string, string>;
  readonly #maskId: number | undefined;
  readonly #path: string;
  readonly #engine: TokenizerEngine;
  readonly #framing: Framing;

  /** `files` are the existing files; those that transformers also needs are added. */
  constructor({ path, ids, definition, config, special }: TokenizerSource, engine: TokenizerEngine, files: ReadonlyMap<string, string>) {
    const { before, after } = checkedFrame(path, definition);
    // A blank line of vocab.txt is an empty token, which no text contains.
    for (const [token, id] of ids) if (token !== "") this.vocabSize = Math.max(this.vocabSize, id + 1);
    this.padId = ids.get(special.pad)!;
    this.unknownId = special.unknown === undefined ? null : ids.get(special.unknown)!;
    this.clsId = before[0]!;
    this.sepId = after[0]!;
    const own = tokensOf(definition.model.vocab);
    this.leastRows = Math.max(this.padId, this.clsId, this.sepId) + 1;
    for (const [token, id] of own) if (token !== "") this.leastRows = Math.max(this.leastRows, id + 1);
    this.#maskId = special.mask === undefined ? undefined : ids.get(special.mask);
    this.#path = path;
    this.#engine = engine;
    const cutsBeginning = (config.truncation_side ?? definition.truncation?.direction?.toLowerCase()) === "left";
    this.#framing = { clsId: this.clsId, sepId: this.sepId, cutsBeginning };
    this.recipe = engine instanceof FastEngine ? { definition, ...this.#framing } : undefined;
    this.files = completed(files, definition, special);
  }

  get maskId(): number {
    if (this.#maskId !== undefined) return this.#maskId;
    throw new FormatError(`${this.#path} has no mask token`, "Train without masked-language modelling, or use a vocabulary with [MASK].");
  }

  encode(text: string, maxLength: number): number[] {
    if (typeof text !== "string") throw new OptionError(`The text to tokenise is ${show(text)}.`, "Give a text.");
    return encodeFramed(this.#engine, this.#framing, text, maxLength);
  }

  decode(ids: readonly number[]): string {
    return this.#engine.decode(ids);
  }
}
