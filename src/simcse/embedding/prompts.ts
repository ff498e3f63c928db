/**
 * What is done with a text before it is tokenised: the prompt before it, and the white space around it. Folders of sentence-transformers say
 * both, in `config_sentence_transformers.json`; other models have neither.
 */
import { OptionError } from "../../errors.ts";
import { quoted } from "../../show.ts";

export interface TextPreparation {
  /** Prompts by name. `query` and `document` are always there in sentence-transformers, empty where the model has none. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The prompt of calls that name none; null for none. */
  readonly defaultPromptName: string | null;
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

/** The prompt of a call, "" for none. Throws `OptionError` for a name that the model does not have, and for a prompt that is no text. */
export function promptOf({ prompts, defaultPromptName }: TextPreparation, { prompt, promptName }: PromptOptions): string {
  if (prompt !== undefined) {
    if (typeof prompt === "string") return prompt;
    throw new OptionError(`The prompt must be a text, but is a ${typeof prompt}.`, 'Give a text, "" for none.');
  }
  const name = promptName ?? defaultPromptName;
  if (name === null) return "";
  if (Object.hasOwn(prompts, name)) return prompts[name]!;
  const names = Object.keys(prompts);
  throw new OptionError(
    `The model has no prompt named ${quoted(String(name))}.`,
    names.length === 0 ? "Give the text itself as prompt (--prompt)." : `Choose one of ${names.map((known) => quoted(known)).join(", ")}.`,
  );
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
