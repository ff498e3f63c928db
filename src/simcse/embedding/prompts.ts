/**
 * How a text is prepared before tokenising: the prompt before it. sentence-transformers folders set prompts in
 * `config_sentence_transformers.json`; other models have none. White space around a text is kept, as in sentence-transformers since
 * version 6; a tokenizer of byte pairs sees it.
 */
import { OptionError } from "../../errors.ts";
import { quoted } from "../../show.ts";

/** How texts are prepared before tokenising, from a sentence-transformers folder. */
export interface TextPreparation {
  /** Prompts by name. In sentence-transformers, `query` and `document` always exist, and are empty if the model has none. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The prompt of calls that do not name one; null for none. */
  readonly defaultPromptName: string | null;
  /** The prompt chosen when the model was loaded, for calls that do not name one; it replaces the model's default. */
  readonly chosen?: string;
  /** Whether sentence-transformers lower-cases texts itself. The tokenizer does it here; a saved folder has to say it again. */
  readonly lowerCase?: boolean;
}

/** Texts unchanged. */
export const unprepared: TextPreparation = { prompts: {}, defaultPromptName: null };

/** The prompt of a call. */
export interface PromptOptions {
  /** The text to put before each text; takes precedence over `promptName`. */
  readonly prompt?: string | undefined;
  /** The name of one of the model's prompts; its default prompt if absent. */
  readonly promptName?: string | undefined;
}

/** The same, with a prompt for calls that do not name one. Throws like `promptOf`. */
export function withPrompt(texts: TextPreparation, { prompt, promptName }: PromptOptions): TextPreparation {
  if (prompt === undefined && promptName === undefined) return texts;
  return { ...texts, chosen: promptOf(texts, { prompt, promptName }) };
}

/** The prompt of a call, "" for none. Throws `OptionError` for a name that the model does not have, and for a prompt that is not a text. */
export function promptOf({ prompts, defaultPromptName, chosen }: TextPreparation, { prompt, promptName }: PromptOptions): string {
  if (prompt !== undefined) {
    if (typeof prompt === "string") return prompt;
    throw new OptionError(`The prompt must be a text, but is a ${typeof prompt}.`, 'Give a text, "" for none.');
  }
  if (promptName === undefined && chosen !== undefined) return chosen;
  const name = promptName ?? defaultPromptName;
  if (name === null) return "";
  if (Object.hasOwn(prompts, name)) return prompts[name]!;
  const names = Object.keys(prompts);
  throw new OptionError(
    `The model has no prompt named ${quoted(String(name))}.`,
    names.length === 0 ? "Give the text itself as prompt (--prompt)." : `Choose one of ${names.map((known) => quoted(known)).join(", ")}.`,
  );
}

/** Models' names for the prompts of the two sides of a search, the usual one first. */
const searchPrompts = { query: ["query"], document: ["document", "passage", "corpus"] } as const;

/** One of the two sides of a search. */
export type SearchSide = keyof typeof searchPrompts;

/** The prompt of queries, or of the searched sentences, chosen like in sentence-transformers' encode_query and encode_document. */
export function searchPrompt({ prompts, chosen }: TextPreparation, side: SearchSide): PromptOptions {
  if (chosen !== undefined || Object.keys(prompts).length === 0) return {};
  const name = searchPrompts[side].find((known) => Object.hasOwn(prompts, known) && prompts[known] !== "");
  // A model's default prompt is for one side; the other side has none.
  return name === undefined ? { prompt: "" } : { promptName: name };
}
