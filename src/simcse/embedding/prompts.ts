/**
 * What is done with a text before it is tokenised: the prompt before it, and the white space around it. Folders of sentence-transformers say
 * both, in `config_sentence_transformers.json`; other models have neither.
 */
import { OptionError } from "../../errors.ts";
import { quoted } from "../../show.ts";

/** What is done to a text before it is tokenised, as a folder of sentence-transformers says. */
export interface TextPreparation {
  /** Prompts by name. `query` and `document` are always there in sentence-transformers, empty where the model has none. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The prompt of calls that name none; null for none. */
  readonly defaultPromptName: string | null;
  /** The prompt that whoever loaded the model has chosen for calls that name none, instead of its default. */
  readonly chosen?: string;
  /** Whether white space around a text, its prompt included, is removed. */
  readonly strip: boolean;
}

/** Texts as they are. */
export const unprepared: TextPreparation = { prompts: {}, defaultPromptName: null, strip: false };

/** Which prompt a call wants. */
export interface PromptOptions {
  /** The text to put before each text; it wins over `promptName`. */
  readonly prompt?: string;
  /** The name of one of the model's prompts; its default prompt if absent. */
  readonly promptName?: string;
}

/** The same with a prompt for calls that name none. Throws what `promptOf` throws. */
export function withPrompt(texts: TextPreparation, { prompt, promptName }: PromptOptions): TextPreparation {
  if (prompt === undefined && promptName === undefined) return texts;
  return {
    ...texts,
    chosen: promptOf(texts, { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }),
  };
}

/** The prompt of a call, "" for none. Throws `OptionError` for a name that the model does not have, and for a prompt that is no text. */
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

/** The names that models have for the prompts of the two sides of a search, the usual one first. */
const searchPrompts = { query: ["query"], document: ["document", "passage", "corpus"] } as const;

/** The prompt of queries, or of the sentences that are searched, as sentence-transformers' encode_query and encode_document choose it. */
export function searchPrompt({ prompts, chosen }: TextPreparation, side: keyof typeof searchPrompts): PromptOptions {
  if (chosen !== undefined || Object.keys(prompts).length === 0) return {};
  const name = searchPrompts[side].find((known) => Object.hasOwn(prompts, known) && prompts[known] !== "");
  // A model's default prompt is for one side, and the other has none.
  return name === undefined ? { prompt: "" } : { promptName: name };
}

/** A text with its prompt, as it is tokenised. */
export function prepared(text: string, prompt: string, { strip }: TextPreparation): string {
  return strip ? stripped(prompt + text) : prompt + text;
}

/** As Python's str.strip() does it, which knows a few more separators than JavaScript and not the byte-order mark. */
function stripped(text: string): string {
  return text.replace(whiteSpaceAtStart, "").replace(whiteSpaceAtEnd, "");
}

const whiteSpace = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const whiteSpaceAtStart = new RegExp(`^${whiteSpace}+`);
const whiteSpaceAtEnd = new RegExp(`(?<!${whiteSpace})${whiteSpace}+$`);
