/** Ids back to text: the WordPiece and ByteLevel decoders, and plain joining for definitions without a decoder. */
import { BYTE_CHARACTERS } from "./byte-level-words.ts";
import { idsOf, type TokenizerDefinition } from "./definition.ts";
import type { Part } from "./parts.ts";

const BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** Decodes the ids of a definition; special tokens and unknown ids are left out. */
export function decoderOf(definition: TokenizerDefinition): (ids: readonly number[]) => string {
  const tokens = new Map([...idsOf(definition)].map(([token, id]) => [id, token]));
  for (const { id, special } of definition.added_tokens) if (special) tokens.delete(id);
  const joined = joiner(definition.decoder);
  return (encoded) => joined(encoded.map((id) => tokens.get(id)).filter((token) => token !== undefined));
}

function joiner(decoder: Part | null): (tokens: readonly string[]) => string {
  if (decoder === null) return (tokens) => tokens.join(" ");
  if (decoder.type === "ByteLevel") return byteLevelText;
  const { prefix, cleanup } = decoder as Part & { prefix: string; cleanup: boolean };
  return (tokens) => {
    const text = tokens.map((token, place) => (place === 0 ? token : afterFirst(token, prefix))).join("");
    return cleanup ? cleanedUp(text) : text;
  };
}

function afterFirst(token: string, prefix: string): string {
  return token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
}

/** Removes the spaces that splitting put before English punctuation and inside contractions. */
const CLEANED: readonly (readonly [spaced: string, written: string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function cleanedUp(text: string): string {
  return CLEANED.reduce((cleaned, [spaced, written]) => cleaned.replaceAll(spaced, written), text);
}

/** Tokens are bytes written as characters. A token with any other character, such as an added one, stands for itself. */
function byteLevelText(tokens: readonly string[]): string {
  const utf8 = new TextEncoder();
  const bytes = tokens.flatMap((token) => {
    const found = [...token].map((character) => BYTES.get(character));
    return found.includes(undefined) ? [...utf8.encode(token)] : (found as number[]);
  });
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
