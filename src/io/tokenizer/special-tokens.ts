/** Which tokens of a vocabulary are the special ones: around a text, for padding, for what is unknown and for what is masked. */
import { FormatError } from "../../errors.ts";
import { show } from "../../show.ts";
import type { NamedToken, SpecialTokens, TokenizerConfig, TokenizerDefinition } from "./definition.ts";
import { type Frame, frameOf } from "./frame.ts";

type Role = keyof SpecialTokens;

/** Names that a special token may have, the usual one first. */
export type UsualNames = Readonly<Record<Role, readonly string[]>>;

/** The names of the special tokens, if no file gives them: in BERT, then in RoBERTa. */
export const USUAL_NAMES: UsualNames = {
  pad: ["[PAD]", "<pad>"],
  unknown: ["[UNK]", "<unk>"],
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  mask: ["[MASK]", "<mask>"],
};

/** The same in MPNet, whose vocabulary also has all of BERT's. */
export const MPNET_NAMES: UsualNames = { pad: ["<pad>"], unknown: ["[UNK]"], cls: ["<s>"], sep: ["</s>"], mask: ["<mask>"] };

/** The options of `tokenizer_config.json` that name them. */
const CONFIG_NAMES = { pad: "pad_token", unknown: "unk_token", cls: "cls_token", sep: "sep_token", mask: "mask_token" } as const;

const REMEDY = "Use the files of a BERT, RoBERTa or XLM-RoBERTa model.";

/**
 * The names of the special tokens: from the files, or else the usual ones; those around a text come from the post-processor. Throws
 * FormatError when the vocabulary lacks one (except the mask, and what is unknown to BPE).
 */
export function specialTokens(
  path: string,
  ids: ReadonlyMap<string, number>,
  config: TokenizerConfig,
  { definition, usual = USUAL_NAMES }: { readonly definition?: TokenizerDefinition; readonly usual?: UsualNames } = {},
): SpecialTokens {
  const framing = definition === undefined ? {} : namesFrom(path, ids, definition);
  const named = (role: Role): string | undefined => {
    const said = framing[role] ?? textOf(config[CONFIG_NAMES[role]]);
    const candidates = said === undefined ? usual[role] : [said];
    const name = candidates.find((candidate) => ids.has(candidate));
    if (name !== undefined || role === "mask" || (role === "unknown" && definition?.model.type === "BPE")) return name;
    const shownNames = candidates.map((candidate) => (/^[ -~]{1,40}$/.test(candidate) ? candidate : show(candidate)));
    throw new FormatError(`${path} has no ${shownNames.join(" or ")} among its ${ids.size} tokens`, REMEDY);
  };
  const required = (role: Exclude<Role, "mask" | "unknown">) => named(role) as string;
  return { pad: required("pad"), unknown: named("unknown"), cls: required("cls"), sep: required("sep"), mask: named("mask") };
}

/** The special tokens that a definition itself names. */
function namesFrom(path: string, ids: ReadonlyMap<string, number>, definition: TokenizerDefinition): Partial<SpecialTokens> {
  const names = new Map([...ids].map(([token, id]) => [id, token]));
  const { before, after } = checkedFrame(path, definition);
  const [cls, sep] = [names.get(before[0]!), names.get(after[0]!)];
  if (cls === undefined || sep === undefined) {
    throw new FormatError(`${path}: post_processor has the ids ${before[0]} and ${after[0]}, which no token has`, REMEDY);
  }
  const { vocab, unk_token, unk_id } = definition.model;
  const unknown = Array.isArray(vocab) ? (vocab[unk_id as number] as readonly [string, number])[0] : unk_token;
  return { cls, sep, ...(typeof unknown === "string" && { unknown }) };
}

/** Throws FormatError unless the post-processor places a text between two special tokens. */
export function checkedFrame(path: string, { post_processor }: TokenizerDefinition): Frame {
  const frame = frameOf({ file: path, way: "post_processor", depth: 0 }, post_processor);
  if (frame.before.length === 1 && frame.after.length === 1) return frame;
  throw new FormatError(
    `${path}: post_processor puts ${frame.before.length} tokens before a text and ${frame.after.length} after it, expected one and one ([CLS] and [SEP])`,
    REMEDY,
  );
}

function textOf(token: NamedToken | undefined): string | undefined {
  const text = typeof token === "object" ? token?.content : token;
  return typeof text === "string" ? text : undefined;
}

/** The names of the special tokens by option, with the flags that the configuration or their class gives them. */
export function flaggedTokens(special: SpecialTokens, config: TokenizerConfig): TokenizerConfig {
  const roles = Object.keys(CONFIG_NAMES) as Role[];
  return Object.fromEntries(roles.map((role) => [CONFIG_NAMES[role], flagged(special[role], config[CONFIG_NAMES[role]])]));
}

/** A special token as the configuration gives it, or with the flags of its class. */
function flagged(name: string | undefined, given: NamedToken | undefined): NamedToken {
  if (typeof given === "object" && given?.content === name) return given;
  // RoBERTa's mask includes the space before it, like the word that it replaces.
  return name === "<mask>" ? { content: name, lstrip: true } : (name ?? null);
}
