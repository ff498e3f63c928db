/**
 * A smaller model made of a larger one, as a distillation starts from: some of its layers, and the rows of its word embedding that belong to
 * a smaller vocabulary. Everything else is copied: poolers, heads, the modules and prompts of sentence-transformers, the names of tensors.
 *
 * Works on files, tensor by tensor and without a GPU. The result is a model folder like any other.
 */
import { FormatError, OptionError } from "../../errors.ts";
import { type Folder, fileIn, type NamedContent, pathIn, readObject } from "../../io/folder.ts";
import type { PrunedTokenizer } from "../../io/tokenizer/prune.ts";
import { loadTokenizer } from "../../io/tokenizer.ts";
import { DTYPE_BITS, TO_F32 } from "../../io/weights/dtypes.ts";
import { encodeSafetensors, type TensorToWrite } from "../../io/weights/safetensors.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import { openRequiredWeights } from "../../io/weights.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { architectureOf, fieldName, fieldsText, firstPosition } from "../../nn/architectures/architectures.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { quoted, show } from "../../show.ts";
import { readConfig, usualLength } from "./checkpoint.ts";
import { sentenceTransformersLayout } from "./sentence-transformers.ts";
import { checkWeightsDtype, tensorsToWrite, type WeightsDtype, weightsForms } from "./written-weights.ts";

/** Options of `studentFiles`. */
export interface StudentOptions {
  /** The teacher's layers to take, by their numbers from 0 and in this order; all if absent. */
  readonly layers?: readonly number[] | undefined;
  /** A smaller vocabulary, from `pruneTokenizer`; the teacher's own if absent. */
  readonly tokenizer?: PrunedTokenizer | undefined;
  /** The number format of the weights; if absent, each tensor's own, or F32 for a teacher in 8 bits. */
  readonly dtype?: WeightsDtype | undefined;
}

const studentOptions: OptionNames<StudentOptions> = { layers: true, tokenizer: true, dtype: true };

/** What is taken of each tensor. */
interface Parts {
  readonly layers: readonly number[];
  /** The rows of the word embedding; null for all. */
  readonly rows: readonly number[] | null;
  readonly dtype: StudentOptions["dtype"];
  /** Whether the output of the masked language model's head is the word embedding. Written, it would take as much space again. */
  readonly isTied: boolean;
}

/**
 * The files of a student of the model in the folder `teacher`, to be written in this order. Weights are read as they are written. Throws
 * OptionError for a layer that the teacher does not have or that is named twice, or a vocabulary that is not made from the teacher's, and
 * the errors of reading the teacher's files.
 */
export async function studentFiles(teacher: Folder, options: StudentOptions = {}): Promise<NamedContent[]> {
  checkOptions("studentFiles", options, studentOptions);
  if (options.dtype !== undefined) checkWeightsDtype(options.dtype);
  const { folder, transformer: model, simcse, pooler } = await readConfig(teacher);
  const layers = options.layers ?? Array.from({ length: model.num_hidden_layers }, (_, layer) => layer);
  checkLayers(teacher, layers, model);
  const rows = options.tokenizer?.oldIds ?? null;
  const { files: tokenizerFiles } = options.tokenizer?.tokenizer ?? (await loadTokenizer(folder));
  const { transformer, copied, modules } = await sentenceTransformersLayout(teacher);
  const published = await readObject(folder, "config.json");
  const config = {
    ...published,
    ...(rows !== null && { ...renumberedIds(folder, published, model, rows), vocab_size: rows.length }),
    [fieldName(model, "num_hidden_layers")]: layers.length,
    ...architectureOf(model).withLayers?.(model, layers),
    ...(options.dtype !== undefined && { dtype: undefined, torch_dtype: weightsForms[options.dtype].torchDtype }),
    // An official model's pooler is known by its name, which the student does not have.
    ...(transformer === null && simcse === null && pooler !== null && { simcse: { pooler_type: pooler, max_seq_length: usualLength } }),
  };
  const parts = { layers, rows, dtype: options.dtype, isTied: published.tie_word_embeddings !== false };
  const inTransformer = (name: string) => fileIn(transformer ?? "", name);
  return [
    ...copied,
    { name: inTransformer("config.json"), content: fieldsText(model, config) },
    ...Array.from(tokenizerFiles, ([name, content]) => ({ name: inTransformer(name), content })),
    ...(await Promise.all(
      modules.map(async (module) => weightsFile(module.folder, module.path, parts, (weights) => takeAll(weights, parts))),
    )),
    await weightsFile(folder, transformer ?? "", parts, (weights) => takeParts(weights, model, parts)),
  ];
}

function checkLayers({ name }: Folder, layers: readonly number[], { num_hidden_layers: count }: TransformerConfig): void {
  const remedy = `Give some of the numbers from 0 to ${count - 1}, each once.`;
  if (layers.length === 0) throw new OptionError("A student without layers is no model.", remedy);
  for (const [place, layer] of layers.entries()) {
    if (!(Number.isInteger(layer) && layer >= 0 && layer < count)) {
      throw new OptionError(`${name} has no layer ${show(layer)}: it has ${count}.`, remedy);
    }
    if (layers.indexOf(layer) !== place) throw new OptionError(`Layer ${layer} is named twice.`, remedy);
  }
}

/**
 * The ids of special tokens in a config, renumbered. Throws FormatError if that would move the positions, which some architectures count
 * from the padding's id.
 */
function renumberedIds(
  folder: Folder,
  config: Readonly<Record<string, unknown>>,
  model: TransformerConfig,
  rows: readonly number[],
): Readonly<Record<string, number | null>> {
  const ids = new Map(rows.map((old, id) => [old, id]));
  const { pad_token_id: padding } = model;
  // What is no token, null or below 0, stays as it is.
  const renumbered = (id: number | null) => (id === null || id < 0 ? id : (ids.get(id) ?? null));
  if (firstPosition({ ...model, pad_token_id: renumbered(padding) ?? -1 }) !== firstPosition(model)) {
    throw new FormatError(
      `${pathIn(folder, "config.json")}: the positions begin after pad_token_id ${padding}, which the vocabulary of the student gives to another token.`,
      "Keep more tokens.",
    );
  }
  const named = Object.entries({ pad_token_id: padding, ...config }).filter(([field]) => field.endsWith("_token_id"));
  return Object.fromEntries(named.flatMap(([field, id]) => (typeof id === "number" ? [[field, renumbered(id)]] : [])));
}

async function weightsFile(
  folder: Folder,
  path: string,
  { dtype }: Parts,
  take: (weights: Weights) => TensorToWrite[],
): Promise<NamedContent> {
  const weights = await openRequiredWeights(folder);
  return { name: fileIn(path, weightsForms[dtype ?? "F32"].file), content: encodeSafetensors(take(weights)) };
}

function takeAll(weights: Weights, { dtype }: Parts): TensorToWrite[] {
  return [...weights.tensors.keys()].flatMap((name) => taken(weights, { source: name, name, rows: null, dtype }));
}

/** A name's ending, at its beginning or after a dot. */
const endsIn = (name: string, ending: string) => name === ending || name.endsWith(`.${ending}`);

/** A layer's number in a tensor's name, and what is before and after it; null for tensors outside the layers. */
function layerOf(name: string, layers: string): { readonly before: string; readonly layer: number; readonly after: string } | null {
  const start = name.startsWith(layers) ? 0 : name.indexOf(`.${layers}`) + 1;
  const [digits] = /^\d+(?=\.)/.exec(name.slice(start + layers.length)) ?? [];
  if (digits === undefined || !name.startsWith(layers, start)) return null;
  const end = start + layers.length;
  return { before: name.slice(0, end), layer: Number(digits), after: name.slice(end + digits.length) };
}

function takeParts(weights: Weights, model: TransformerConfig, { layers, rows, dtype, isTied }: Parts): TensorToWrite[] {
  const { names, maskedHead, sharesLayers = false } = architectureOf(model);
  const { decoder, olderName = (name: string) => name } = maskedHead;
  const isDecoder = (name: string) => [decoder, olderName(decoder)].some((own) => endsIn(name, own));
  const hasRows = (name: string) =>
    [names.words, ...maskedHead.byWord.flatMap((own) => [own, olderName(own)])].some((own) => endsIn(name, own));
  const places = new Map(layers.map((layer, place) => [layer, place]));
  const found = new Set<number>();
  const tensors = [...weights.tensors.keys()].flatMap((source) => {
    if (isTied && isDecoder(source)) return [];
    const own = sharesLayers ? null : layerOf(source, names.layers);
    if (own === null) {
      const taking = isDecoder(source) || hasRows(source) ? rowsOf(weights, source, rows) : null;
      return taken(weights, { source, name: source, rows: taking, dtype });
    }
    found.add(own.layer);
    const place = places.get(own.layer);
    return place === undefined ? [] : taken(weights, { source, name: `${own.before}${place}${own.after}`, rows: null, dtype });
  });
  if (sharesLayers || layers.every((layer) => found.has(layer))) return tensors;
  throw new FormatError(
    `${weights.path} has tensors of the layers ${show([...found])}; config.json describes ${model.num_hidden_layers}.`,
    "Use the config.json that belongs to these weights.",
  );
}

/** The rows to take of a tensor with a row for each token; null for all. */
function rowsOf({ path, tensors }: Weights, source: string, rows: Parts["rows"]): Parts["rows"] {
  if (rows === null) return null;
  const [count] = tensors.get(source)!.shape;
  const beyond = rows.find((row) => !(row < count!));
  if (beyond === undefined) return rows;
  throw new OptionError(
    `${path}: ${quoted(source)} has ${count} rows, and the pruned vocabulary takes row ${beyond}.`,
    "Prune the tokenizer of this model.",
  );
}

interface Taken extends Pick<Parts, "rows" | "dtype"> {
  readonly source: string;
  readonly name: string;
}

/** The tensors to write for one of the teacher's. Integers, such as a buffer of positions, are copied. */
function taken(weights: Weights, { source, name, rows, dtype: wanted }: Taken): TensorToWrite[] {
  const { dtype: own, shape: all } = weights.tensors.get(source)!;
  const shape = rows === null ? all : [rows.length, ...all.slice(1)];
  const width = all.slice(1).reduce((count, size) => count * size, 1);
  const isRounded = own === "I8";
  const dtype = isRounded || Object.hasOwn(TO_F32, own) ? (wanted ?? (isRounded ? "F32" : own)) : own;
  if (dtype === own && !isRounded) {
    return [{ name, dtype, shape, data: async () => picked(await weights.readBytes(source), rows, (width * DTYPE_BITS[own]) / 8) }];
  }
  const values = async () => picked(await weights.readF32(source), rows, width);
  return tensorsToWrite({ name, shape, from: { path: weights.path, source }, values }, dtype as WeightsDtype);
}

/** Rows of a matrix. */
function picked<Values extends Uint8Array | Float32Array>(values: Values, rows: readonly number[] | null, width: number): Values {
  if (rows === null) return values;
  const chosen = values.slice(0, rows.length * width) as Values;
  for (const [to, from] of rows.entries()) chosen.set(values.subarray(from * width, (from + 1) * width), to * width);
  return chosen;
}
