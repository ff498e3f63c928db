/** Encoders for the two sides of a search, each with the model's prompt for it, as `search` and `index build` use them. */
import { type PromptOptions, searchPrompt, type TextPreparation } from "../embedding/prompts.ts";
import type { Encode, SideEncoders } from "./embed-distinct.ts";

/** `encodeWith` gives the encoder for a prompt. Without prompts, both sides share one. */
export function sideEncoders(texts: TextPreparation, encodeWith: (prompt: PromptOptions) => Encode): SideEncoders {
  return {
    encode: encodeWith({}),
    ...(Object.keys(texts.prompts).length > 0 && {
      encodeQueries: encodeWith(searchPrompt(texts, "query")),
      encodeDocuments: encodeWith(searchPrompt(texts, "document")),
    }),
  };
}
