/**
 * The `sentencepiece.bpe.model` of an XLM-RoBERTa as the definition that transformers makes of it. The file is SentencePiece's own format,
 * a protobuf (sentencepiece_model.proto). Despite its name, its model is Unigram.
 */
import { FormatError } from "../../errors.ts";
import { type Field, fieldsOf } from "../formats/protobuf.ts";
import { decodeLatin1 } from "../text/latin1.ts";
import { addedToken } from "./added-tokens.ts";

/** Numbers of the fields that are read. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, kind: 3 } as const;
const TRAINER = { kind: 3 } as const;
const NORMALIZER = { charsmap: 2 } as const;

/** The value of `TRAINER.kind` for Unigram, which it also has if it is absent. */
const UNIGRAM = 1;

/** The tokens before all pieces, at fairseq's ids, instead of SentencePiece's own three; and the one after them. */
const FIRST = ["<s>", "<pad>", "</s>", "<unk>"];
const OWN_SPECIAL = 3;
const MASK = "<mask>";

/** The values of `PIECE.kind` for pieces that are found in a text before all others, as the tokens that they are; special or not. */
const [CONTROL, USER_DEFINED] = [3, 4];

type Scored = readonly [piece: string, score: number];

interface Piece {
  readonly text: string;
  readonly score: number;
  readonly kind: number | undefined;
}

/** The definition; `path` names the file in errors. Throws `FormatError` for a damaged file, or a model that is not Unigram. */
export function sentencePieceDefinition(path: string, file: Uint8Array): Readonly<Record<string, unknown>> {
  const { pieces, charsmap } = read(path, file);
  const zero = (token: string): Scored => [token, 0];
  const others = pieces.slice(OWN_SPECIAL);
  const vocab = [...FIRST.map(zero), ...others.map(({ text, score }): Scored => [text, score]), zero(MASK)];
  const defined = others.flatMap(({ text, kind }, at) =>
    kind === CONTROL || kind === USER_DEFINED ? [{ ...addedToken(FIRST.length + at, text, kind === CONTROL), normalized: false }] : [],
  );
  const special = FIRST.map((content, id) => addedToken(id, content, true));
  const added = [...special, ...defined, addedToken(vocab.length - 1, MASK, true)];
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const framed = (id: string) => [id, { id, ids: [FIRST.indexOf(id)], tokens: [id] }] as const;
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: charsmap.length > 0 ? { type: "Precompiled", precompiled_charsmap: btoa(decodeLatin1(charsmap)) } : null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] },
    post_processor: {
      type: "TemplateProcessing",
      single: [token("<s>"), text("A"), token("</s>")],
      pair: [token("<s>"), text("A"), token("</s>"), token("</s>"), text("B"), token("</s>")],
      special_tokens: Object.fromEntries(["</s>", "<s>"].map(framed)),
    },
    decoder: metaspace,
    model: { type: "Unigram", unk_id: FIRST.indexOf("<unk>"), vocab, byte_fallback: false },
  };
}

function read(path: string, file: Uint8Array): { readonly pieces: readonly Piece[]; readonly charsmap: Uint8Array } {
  const damaged = (why: string) => new FormatError(`${path} is no SentencePiece model: ${why}`, "Get the file again.");
  const pieces: Piece[] = [];
  let charsmap: Uint8Array = new Uint8Array();
  let kind = UNIGRAM;
  try {
    for (const { number, value } of fieldsOf(file)) {
      if (typeof value === "number") continue;
      if (number === MODEL.pieces) pieces.push(pieceOf(value));
      if (number === MODEL.trainer) kind = (lastOf(value, TRAINER.kind) as number | undefined) ?? kind;
      if (number === MODEL.normalizer) charsmap = (lastOf(value, NORMALIZER.charsmap) as Uint8Array | undefined) ?? charsmap;
    }
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof TypeError) throw damaged(cause.message);
    throw cause;
  }
  if (pieces.length <= OWN_SPECIAL) throw damaged(`it has ${pieces.length} pieces`);
  if (kind === UNIGRAM) return { pieces, charsmap };
  throw new FormatError(
    `${path} holds a SentencePiece model that is not Unigram`,
    "Save the tokenizer with transformers, which makes a tokenizer.json of it.",
  );
}

/** The last value of a field, which is the one that counts. */
function lastOf(message: Uint8Array, wanted: number): Field["value"] | undefined {
  return [...fieldsOf(message)].findLast(({ number }) => number === wanted)?.value;
}

/** Throws TypeError for a piece that is no text with a score. */
function pieceOf(message: Uint8Array): Piece {
  const text = lastOf(message, PIECE.text);
  const score = lastOf(message, PIECE.score) ?? new Uint8Array(4);
  if (!(text instanceof Uint8Array && score instanceof Uint8Array && score.length === 4)) throw new TypeError("a piece is damaged");
  const view = new DataView(score.buffer, score.byteOffset, score.byteLength);
  const kind = lastOf(message, PIECE.kind);
  return {
    text: new TextDecoder("utf-8", { fatal: true }).decode(text),
    score: view.getFloat32(0, true),
    kind: typeof kind === "number" ? kind : undefined,
  };
}
