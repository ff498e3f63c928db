/**
 * An index as one safetensors file, which other programs can open too. Vectors and sentences are stored in parts, so that writing and
 * reading hold at most one part in memory besides the index:
 *
 *     metadata      format "simcse-index", version "2", dimension, precision, rescore, parts, next_id, model (its name), fingerprint (of its weights)
 *     probe         F32 [dimension]: the vector of `probeSentence`
 *     vectors.N     [rows, …] in the stored precision: F32, F16, I8 (with scales.N F32 [rows]) or U8 bits; of unit length
 *     sentences.N   U8: a line of JSON a row, [id, sentence] or [id, sentence, metadata]
 *
 * Fingerprint and probe show whether a model is the one that made the index. The fingerprint covers the weights, the probe everything else
 * that changes vectors. Files of version 1 have no fingerprint and no entries' metadata; they are still read, with the probe as their only
 * check.
 */
import { FormatError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { checkFolder, type Folder, pathIn } from "../../io/folder.ts";
import { bytesOf, concatenate } from "../../io/formats/bytes.ts";
import { encodeUtf8 } from "../../io/text/utf8.ts";
import type { Dtype } from "../../io/weights/dtypes.ts";
import { encodeSafetensors, f32Tensor, openSafetensors, type Safetensors, type TensorToWrite } from "../../io/weights/safetensors.ts";
import { type Precision, precisions } from "../../kernels/search/precision.ts";
import { collected } from "../embedding/chunks.ts";
import { decodeRows, type Encoded, elementsIn, rowElements } from "../embedding/precision.ts";
import { cosine } from "../evaluation/metrics/cosine.ts";
import { type IndexedSentence, indexItem, type SentenceId, SentenceIndex } from "./sentence-index.ts";
import type { SegmentFormat } from "./vector-segment.ts";

const format = "simcse-index";
const version = "2";
const versionWithoutFingerprint = "1";

/** The model that made an index. */
export interface IndexOrigin {
  /** Its name in messages. */
  readonly model: string;
  /** See `fingerprint.ts`. */
  readonly fingerprint: string;
  /** f32 [dimension]: its vector of `probeSentence`. */
  readonly probe: Float32Array;
}

/** Any sentence would work. */
export const probeSentence = "A woman is reading.";

/** The least cosine of two probes from one model: adapters and precisions change it far less, other models and poolers far more. */
const sameModel = 0.999;

const giveIndex = "Give a file that saveIndex or `simcse index` wrote; build a damaged one again from its sentences.";
const buildAgain = "Build the index again from its sentences.";

const dtypes: Readonly<Record<Precision, Dtype>> = { f32: "F32", f16: "F16", int8: "I8", binary: "U8" };

/** The bytes of an index's file. The index must not change meanwhile. */
export async function* encodeIndex(index: SentenceIndex, { model, fingerprint, probe }: IndexOrigin): AsyncGenerator<Uint8Array> {
  const { dimension, precision, rescores, format: segmentFormat, segments } = index.vectors;
  let first = 0;
  const parts: TensorToWrite[] = [];
  for (const [part, segment] of segments.entries()) {
    const entries = index.entries.slice(first, first + segment.rows);
    first += segment.rows;
    parts.push(...(await partTensors(part, segmentFormat, entries, () => segment.encoded())));
  }
  const metadata = {
    format,
    version,
    dimension: String(dimension),
    precision,
    rescore: String(rescores),
    parts: String(segments.length),
    next_id: String(index.nextId),
    model,
    fingerprint,
  };
  yield* encodeSafetensors([f32Tensor("probe", [dimension], () => probe), ...parts], metadata);
}

/** The tensors of one part; `read` gives the vectors of its entries when they are written. */
async function partTensors(
  part: number,
  { stored, dimension }: Pick<SegmentFormat, "dimension" | "stored">,
  entries: readonly IndexedSentence[],
  read: () => Encoded | Promise<Encoded>,
): Promise<TensorToWrite[]> {
  const rows = entries.length;
  // Made twice, for its length and for its bytes, because the bytes of all parts together would take much memory.
  const sentences = async () => concatenate(await collected(encodeUtf8(entries.map(lineOf))));
  return [
    {
      name: `vectors.${part}`,
      dtype: dtypes[stored],
      shape: [rows, rowElements[stored](dimension)],
      data: async () => bytesOf((await read()).data),
    },
    ...(stored === "int8" ? [f32Tensor(`scales.${part}`, [rows], async () => (await read()).scales!)] : []),
    { name: `sentences.${part}`, dtype: "U8", shape: [(await sentences()).length], data: sentences },
  ];
}

/**
 * Reads an index that `encodeIndex` wrote. Throws `FormatError`, naming the problem, for a file that is not an index or is damaged, and
 * `OptionError` when another model than `origin` made it.
 */
export async function decodeIndex(device: Device, folder: Folder, file: string, origin: IndexOrigin): Promise<SentenceIndex> {
  const tensors = await openIndex(folder, file);
  const { dimension, precision, rescore, parts, nextId } = readMetadata(tensors);
  await checkModel(tensors, dimension, origin);
  const index = new SentenceIndex(device, dimension, { precision, rescore });
  try {
    for (let part = 0; part < parts; part++) {
      const encoded = await readVectors(tensors, part, index.vectors.format);
      addPart(index, await checkedEntries(tensors, part), encoded, tensors.path);
    }
    index.nextId = Math.max(index.nextId, nextId);
    return index;
  } catch (error) {
    await index.close();
    throw error;
  }
}

/**
 * The bytes of a saved index's file without the sentences of these ids; their numbers are not used again. Vectors stay as they are stored, so
 * that no model is needed. Throws `FormatError` for a file that is not an index or is damaged.
 */
export async function indexWithout(folder: Folder, file: string, ids: ReadonlySet<SentenceId>): Promise<AsyncIterable<Uint8Array>> {
  const tensors = await openIndex(folder, file);
  const { dimension, stored, parts, nextId } = readMetadata(tensors);
  const width = rowElements[stored](dimension);
  const kept: TensorToWrite[] = [];
  let written = 0;
  let next = nextId;
  for (let part = 0; part < parts; part++) {
    const entries = await checkedEntries(tensors, part);
    for (const { id } of entries) if (typeof id === "number") next = Math.max(next, id + 1);
    const rows = entries.flatMap(({ id }, row) => (ids.has(id) ? [] : [row]));
    if (rows.length === 0) continue;
    const read = async (): Promise<Encoded> => {
      const { data, scales } = await readVectors(tensors, part, { dimension, stored });
      const some = rowsOf(data, rows, width);
      return scales ? { data: some, scales: rowsOf(scales, rows, 1) } : { data: some };
    };
    kept.push(
      ...(await partTensors(
        written++,
        { dimension, stored },
        rows.map((row) => entries[row]!),
        read,
      )),
    );
  }
  const probe = f32Tensor("probe", [dimension], () => tensors.readF32("probe"));
  return encodeSafetensors([probe, ...kept], { ...tensors.metadata, parts: String(written), next_id: String(next) });
}

/** Some rows, of `width` elements each. */
function rowsOf<Elements extends Encoded["data"]>(data: Elements, rows: readonly number[], width: number): Elements {
  const some = data.slice(0, rows.length * width) as Elements;
  for (const [i, row] of rows.entries()) some.set(data.subarray(row * width, (row + 1) * width), i * width);
  return some;
}

/** The sentences of a saved index, without their vectors and without a model. Throws `FormatError` for a file that is not an index. */
export async function* indexedSentences(folder: Folder, file: string): AsyncGenerator<IndexedSentence> {
  const tensors = await openIndex(folder, file);
  const { parts } = readMetadata(tensors);
  for (let part = 0; part < parts; part++) yield* await readEntries(tensors, part);
}

/** Some sentences of a saved index and their vectors, f32 [sentences, dimension], of unit length except for rounding. */
export interface StoredPart {
  readonly entries: readonly IndexedSentence[];
  readonly vectors: Float32Array;
}

/** A saved index, opened to be read part by part. */
export interface StoredIndex {
  readonly dimension: number;
  /** The number of sentences. */
  readonly length: number;
  /** All parts, in order. Throws `FormatError` for a damaged one. */
  parts(): AsyncGenerator<StoredPart>;
}

/** Opens a saved index without a model. Throws `FormatError` for a file that is not an index. */
export async function openStoredIndex(folder: Folder, file: string): Promise<StoredIndex> {
  const tensors = await openIndex(folder, file);
  const { dimension, stored, parts } = readMetadata(tensors);
  return {
    dimension,
    length: Array.from({ length: parts }, (_, part) => rowsIn(tensors, part)).reduce((sum, rows) => sum + rows, 0),
    async *parts() {
      for (let part = 0; part < parts; part++) {
        const vectors = decodeRows(stored, await readVectors(tensors, part, { dimension, stored }), dimension);
        yield { entries: await checkedEntries(tensors, part), vectors };
      }
    },
  };
}

/** The number of a part's vectors. */
const rowsIn = ({ tensors }: Safetensors, part: number): number => tensors.get(`vectors.${part}`)?.shape[0] ?? 0;

/** A part's sentences. Throws `FormatError` unless each has a vector. */
async function checkedEntries(tensors: Safetensors, part: number): Promise<IndexedSentence[]> {
  const entries = await readEntries(tensors, part);
  const vectors = rowsIn(tensors, part);
  if (entries.length === vectors) return entries;
  throw new FormatError(`${tensors.path}: part ${part} has ${vectors} vectors for ${entries.length} sentences`, buildAgain);
}

const lineOf = ({ id, sentence, metadata }: IndexedSentence) => `${JSON.stringify([id, sentence, ...(metadata ? [metadata] : [])])}\n`;

async function openIndex(folder: Folder, file: string): Promise<Safetensors> {
  checkFolder(folder);
  try {
    return await openSafetensors(folder, file);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`${pathIn(folder, file)} is not an index file, or a damaged one`, giveIndex, { cause });
  }
}

function addPart(index: SentenceIndex, entries: readonly IndexedSentence[], encoded: Encoded, path: string): void {
  try {
    index.restore(entries, () => index.vectors.addStored(encoded));
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new FormatError(`${path} holds an id twice: ${cause.message}`, buildAgain, { cause });
  }
}

interface Metadata {
  readonly dimension: number;
  readonly precision: Precision;
  readonly rescore: boolean;
  /** The precision of the vectors in the file. */
  readonly stored: Precision;
  readonly parts: number;
  readonly nextId: number;
}

function readMetadata({ path, metadata }: Safetensors): Metadata {
  if (metadata.format !== format) throw new FormatError(`${path} is a safetensors file, but not an index`, giveIndex);
  if (metadata.version !== version && metadata.version !== versionWithoutFingerprint) {
    throw new FormatError(
      `${path} is an index of version ${metadata.version}; this program reads versions ${versionWithoutFingerprint} and ${version}`,
      "Update the package, or build the index again.",
    );
  }
  const count = (name: "dimension" | "parts" | "next_id", least: number): number => {
    const value = /^\d{1,16}$/.test(metadata[name] ?? "") ? Number(metadata[name]) : -1;
    if (value >= least) return value;
    throw new FormatError(`${path}: its metadata has no ${name}, or one that is no number of at least ${least}`, buildAgain);
  };
  const precision = precisions.find((name) => name === metadata.precision);
  if (precision === undefined) throw new FormatError(`${path}: its precision must be one of ${precisions.join(", ")}`, buildAgain);
  const rescore = metadata.rescore === "true";
  return {
    dimension: count("dimension", 1),
    precision,
    rescore,
    stored: rescore ? "f16" : precision,
    parts: count("parts", 0),
    nextId: count("next_id", 0),
  };
}

async function checkModel(tensors: Safetensors, dimension: number, { model, fingerprint, probe }: IndexOrigin): Promise<void> {
  const { metadata, path } = tensors;
  if (metadata.version === version && metadata.fingerprint !== fingerprint) {
    throw new OptionError(
      `${path} was built with the model ${metadata.model ?? "of another name"}, and ${model} has other weights or another pooler.`,
      "Load the model that built the index, with the same pooler, or build the index again.",
    );
  }
  if (probe.length === dimension && cosine(await tensors.readF32("probe", [dimension]), probe) >= sameModel) return;
  throw new OptionError(
    `${path} was built with another model, pooler or prompt than ${model} has: a sentence has another vector there.`,
    "Load the model that built the index, with the same pooler, or build the index again.",
  );
}

async function readVectors(
  tensors: Safetensors,
  part: number,
  { dimension, stored }: Pick<SegmentFormat, "dimension" | "stored">,
): Promise<Encoded> {
  const name = `vectors.${part}`;
  const info = tensors.tensors.get(name);
  const width = rowElements[stored](dimension);
  if (info === undefined || info.dtype !== dtypes[stored] || info.shape.length !== 2 || info.shape[1] !== width) {
    throw new FormatError(`${tensors.path}: ${name} must be ${dtypes[stored]} [rows, ${width}]`, buildAgain);
  }
  const data = elementsIn[stored](await tensors.readBytes(name));
  const encoded = stored === "int8" ? { data, scales: await tensors.readF32(`scales.${part}`, [info.shape[0]!]) } : { data };
  if (stored !== "binary") checkLengths(tensors.path, name, decodeRows(stored, encoded, dimension), dimension);
  return encoded;
}

/** How much the length of a stored vector may differ from 1: int8 rounds each number by up to 1/254 of the largest. */
const lengthTolerance = 0.05;

/** Throws `FormatError` for a vector that is not finite, or neither of unit length nor zero: its scores would not be cosines. */
function checkLengths(path: string, name: string, vectors: Float32Array, dimension: number): void {
  for (let start = 0; start < vectors.length; start += dimension) {
    let squares = 0;
    for (let i = start; i < start + dimension; i++) squares += vectors[i]! * vectors[i]!;
    if (squares === 0 || Math.abs(Math.sqrt(squares) - 1) <= lengthTolerance) continue;
    throw new FormatError(`${path}: row ${start / dimension} of ${name} has the length ${Math.sqrt(squares)}, expected 1`, buildAgain);
  }
}

const newline = 0x0a;

async function readEntries(tensors: Safetensors, part: number): Promise<IndexedSentence[]> {
  const bytes = await tensors.readBytes(`sentences.${part}`);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const entries: IndexedSentence[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(newline, start);
    const entry = parseEntry(decoder, bytes.subarray(start, end === -1 ? bytes.length : end));
    if (entry === null)
      throw new FormatError(
        `${tensors.path}: line ${entries.length + 1} of sentences.${part} is not [id, sentence] or [id, sentence, metadata]`,
        buildAgain,
      );
    entries.push(entry);
    start = end === -1 ? bytes.length : end + 1;
  }
  return entries;
}

function parseEntry(decoder: TextDecoder, line: Uint8Array): IndexedSentence | null {
  try {
    const value: unknown = JSON.parse(decoder.decode(line));
    if (!Array.isArray(value) || value.length < 2 || value.length > 3) return null;
    const [id, sentence, metadata] = value as [unknown, unknown, unknown];
    if (id === undefined || id === null) return null;
    return indexItem({ id, sentence, ...(value.length === 3 && { metadata }) }, 0) as IndexedSentence;
  } catch {
    return null;
  }
}
