/**
 * Narrower embeddings for a BERT: a table of `size` numbers a token, and a projection to the width of the layers (Lan et al. 2020, ALBERT
 * §3.1). ELECTRA has embeddings of this form, so the result is an ELECTRA model that every tool opens. In a small BERT the table of words is
 * the largest part; narrower rows leave room for all tokens, or for more layers.
 *
 * The new tables are the old ones in the directions that matter most in texts: those that leave the smallest squared error of a token's
 * embedding, each token weighted by its count. BERT normalises the sum of three rows over the width of the layers. Of the sum of narrower
 * rows, LayerNorm computes the same up to this error, because the rows are centred here, and written in coordinates that sum to 0: neither
 * LayerNorm then has a mean to subtract, and both divide by the row's length. One of the `size` dimensions is spent on that.
 */
import { OptionError } from "../../errors.ts";
import { fileIn, type MemoryFolder, readObject } from "../../io/folder.ts";
import { encodeSafetensors, f32Tensor, type TensorToWrite } from "../../io/weights/safetensors.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import { openRequiredWeights } from "../../io/weights.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { architectureOf, fieldsText } from "../../nn/architectures/architectures.ts";
import { readConfig } from "../checkpoint/checkpoint.ts";
import { CheckpointNames } from "../checkpoint/checkpoint-names.ts";
import { sentenceTransformersLayout } from "../checkpoint/sentence-transformers.ts";
import { weightsForms } from "../checkpoint/written-weights.ts";
import { distillationDefaults } from "./distillation-defaults.ts";
import { project } from "./principal-components.ts";
import { SecondMoments } from "./second-moments.ts";

/** The narrower embeddings. */
export interface FactorisedEmbeddings {
  /** The numbers of a row, from 2 to one less than the width of the layers. */
  readonly size: number;
  /** How often texts use each token, by id. */
  readonly counts: Float64Array;
}

const source = "bert";
const target = "electra";

/**
 * Replaces the weights and config of a BERT by those of an ELECTRA with narrower embeddings; the head of a masked language model goes. Throws
 * `OptionError` for another architecture or a size that is not narrower, and the errors of reading the files.
 */
export async function factoriseEmbeddings(model: MemoryFolder, embeddings: FactorisedEmbeddings): Promise<void> {
  const { folder, transformer: config } = await readConfig(model);
  checkSize(config, embeddings.size);
  const weights = await openRequiredWeights(folder);
  const tensors = [...(await factorised(weights, config, embeddings)), ...kept(weights, config)];
  const json = {
    ...(await readObject(folder, "config.json")),
    model_type: target,
    architectures: [architectureOf({ model_type: target }).className],
    embedding_size: embeddings.size,
  };
  const { transformer } = await sentenceTransformersLayout(model);
  const inTransformer = (name: string) => fileIn(transformer ?? "", name);
  await model.write(inTransformer(weightsForms.F32.file), encodeSafetensors(tensors));
  await model.write(inTransformer("config.json"), fieldsText(json, json));
}

function checkSize({ model_type, hidden_size }: TransformerConfig, size: number): void {
  if (model_type !== source) {
    throw new OptionError(
      `Embeddings of another size are made for a ${source}, and the teacher is a ${model_type}.`,
      "Leave the size of the embeddings out, or give another teacher.",
    );
  }
  if (Number.isInteger(size) && size >= 2 && size < hidden_size) return;
  throw new OptionError(
    `The embeddings cannot have ${size} numbers a token: the layers have ${hidden_size}.`,
    `Give a whole number from 2 to ${hidden_size - 1}.`,
  );
}

/** A table of f32 rows. */
interface Table {
  readonly rows: Float32Array;
  readonly count: number;
}

/** The tensors that ELECTRA's embeddings have. */
async function factorised(weights: Weights, config: TransformerConfig, { size, counts }: FactorisedEmbeddings): Promise<TensorToWrite[]> {
  const { hidden_size: width } = config;
  const names = new CheckpointNames(weights, config);
  const read = (name: string) => {
    const own = `${source}.embeddings.${name}`;
    return weights.readF32(names.find(own) ?? own);
  };
  const table = async (kind: string): Promise<Table> => {
    const rows = await read(`${kind}_embeddings.weight`);
    centre(rows, width);
    return { rows, count: rows.length / width };
  };
  const tables = { word: await table("word"), position: await table("position"), token_type: await table("token_type") };
  const basis = await sumlessBasis(tables, counts, { width, size });
  const scale = await read("LayerNorm.weight");
  const projection = new Float32Array(width * size);
  const ratio = Math.sqrt(width / size);
  for (const [at, number] of basis.entries()) projection[at] = ratio * scale[Math.floor(at / size)]! * number;
  const narrowed = (data: Float32Array, length: number) =>
    project({ length, dimension: width, data }, { matrix: basis, from: width, to: size }).data;
  return [
    ...Object.entries(tables).map(([kind, { rows, count }]) =>
      f32Tensor(`embeddings.${kind}_embeddings.weight`, [count, size], () => narrowed(rows, count)),
    ),
    f32Tensor("embeddings.LayerNorm.weight", [size], () => new Float32Array(size).fill(1)),
    f32Tensor("embeddings.LayerNorm.bias", [size], () => new Float32Array(size)),
    f32Tensor("embeddings_project.weight", [width, size], () => projection),
    f32Tensor("embeddings_project.bias", [width], () => read("LayerNorm.bias")),
  ];
}

/** Subtracts its mean from each row of `width` numbers. */
function centre(rows: Float32Array, width: number): void {
  for (let start = 0; start < rows.length; start += width) {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += rows[start + i]!;
    for (let i = 0; i < width; i++) rows[start + i]! -= sum / width;
  }
}

interface Widths {
  readonly width: number;
  readonly size: number;
}

/**
 * Where rows get their `size` coordinates: f64 [width, size], the product of the largest `size` - 1 directions of the tables' rows and
 * Helmert's matrix. Both are orthonormal, so lengths stay; each row of Helmert's matrix sums to 0, and so do the coordinates.
 */
async function sumlessBasis(
  { word, position, token_type }: Readonly<Record<"word" | "position" | "token_type", Table>>,
  counts: Float64Array,
  { width, size }: Widths,
): Promise<Float64Array> {
  const moments = new SecondMoments(width);
  const all = counts.reduce((sum, count) => sum + count, 0);
  const row = new Float64Array(width);
  for (const [id, count] of counts.entries()) {
    if (count === 0) continue;
    // A text of one sentence has the first token type.
    for (let i = 0; i < width; i++) row[i] = word.rows[id * width + i]! + token_type.rows[i]!;
    moments.add(row, count / all);
  }
  const positions = Math.min(position.count, distillationDefaults.maxLength);
  for (let at = 0; at < positions; at++) moments.add(position.rows.subarray(at * width, (at + 1) * width), 1 / positions);
  const { directions } = await moments.largest(size - 1);
  const basis = new Float64Array(width * size);
  for (const [k, direction] of directions.entries()) {
    // Row k of Helmert's matrix is k + 1 equal numbers, then one that makes their sum 0.
    const equal = 1 / Math.sqrt((k + 1) * (k + 2));
    for (const [i, number] of direction.entries()) {
      for (let j = 0; j <= k; j++) basis[i * size + j]! += number * equal;
      basis[i * size + k + 1]! -= number * equal * (k + 1);
    }
  }
  return basis;
}

/** The tensors that stay: the layers and SimCSE's head, with the names that they have in an encoder without a head. */
function kept(weights: Weights, config: TransformerConfig): TensorToWrite[] {
  const beginnings = [architectureOf(config).names.layers, "pooler.", "mlp."];
  return [...weights.tensors].flatMap(([name, { dtype, shape }]) => {
    const starts = beginnings.map((beginning) => name.indexOf(beginning)).filter((start) => start === 0 || name[start - 1] === ".");
    return starts.length === 0 ? [] : [{ name: name.slice(Math.min(...starts)), dtype, shape, data: () => weights.readBytes(name) }];
  });
}
