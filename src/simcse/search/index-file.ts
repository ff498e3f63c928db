/**
 * An index as one safetensors file, which other programs open too. Vectors and sentences are in parts, so that neither writing nor reading holds
 * more than one of them beside the index:
 *
 *     metadata      format "simcse-index", version "1", dimension, precision, rescore, parts, next_id
 *     probe         F32 [dimension]: the vector of `probeSentence`, which tells whether a model is the one that made the index
 *     vectors.N     [rows, …] in the stored precision: F32, F16, I8 (with scales.N F32 [rows]) or U8 bits; of unit length
 *     sentences.N   U8: a line of JSON a row, [id, sentence]
 */
import { FormatError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import type { Folder } from "../../io/folder.ts";
import type { Dtype } from "../../io/weights/dtypes.ts";
import { encodeSafetensors, openSafetensors, type Safetensors, type TensorToWrite } from "../../io/weights/safetensors.ts";
import { type Encoded, type Precision, precisions, rowElements } from "../embedding/precision.ts";
import { toUnitLength } from "../embedding/unit-length.ts";
import { type IndexedSentence, type SentenceId, SentenceIndex } from "./sentence-index.ts";

const format = "simcse-index";
const version = "1";

/** Any sentence would do. */
export const probeSentence = "A woman is reading.";

/** Cosine of two probes that one model made: adapters and precisions differ by far less, other models and poolers by far more. */
const sameModel = 0.999;

const giveIndex = "Give a file that saveIndex or `simcse index` wrote; build a damaged one again from its sentences.";
const buildAgain = "Build the index again from its sentences.";

const dtypes: Readonly<Record<Precision, Dtype>> = { f32: "F32", f16: "F16", int8: "I8", binary: "U8" };

/** The bytes of an index's file; `probe` f32 [dimension] is the model's vector of `probeSentence`. The index must not change meanwhile. */
export function encodeIndex(index: SentenceIndex, probe: Float32Array): AsyncIterable<Uint8Array> {
  const { dimension, precision, rescores, format: segmentFormat, segments } = index.vectors;
  const { stored } = segmentFormat;
  const tensors: TensorToWrite[] = [{ name: "probe", dtype: "F32", shape: [dimension], data: () => bytesOf(probe) }];
  let first = 0;
  segments.forEach((segment, part) => {
    const { data, scales } = segment.encoded();
    const entries = index.entries.slice(first, first + segment.rows);
    first += segment.rows;
    // Twice made, for its length and for its bytes: of all parts together they would take much memory.
    const sentences = () => new TextEncoder().encode(entries.map(({ id, sentence }) => `${JSON.stringify([id, sentence])}\n`).join(""));
    tensors.push({
      name: `vectors.${part}`,
      dtype: dtypes[stored],
      shape: [segment.rows, rowElements[stored](dimension)],
      data: () => bytesOf(data),
    });
    if (scales) tensors.push({ name: `scales.${part}`, dtype: "F32", shape: [segment.rows], data: () => bytesOf(scales) });
    tensors.push({ name: `sentences.${part}`, dtype: "U8", shape: [sentences().length], data: sentences });
  });
  const metadata = {
    format,
    version,
    dimension: String(dimension),
    precision,
    rescore: String(rescores),
    parts: String(segments.length),
    next_id: String(index.nextId),
  };
  return encodeSafetensors(tensors, metadata);
}

/**
 * Reads an index that `encodeIndex` wrote. Throws `FormatError`, naming what is wrong, for a file that is not one or is damaged, and `OptionError`
 * when `probe`, the vector that the model gives `probeSentence`, says that another model made it.
 */
export async function decodeIndex(device: Device, folder: Folder, file: string, probe: Float32Array): Promise<SentenceIndex> {
  const tensors = await openIndex(folder, file);
  const { dimension, precision, rescore, parts, nextId } = readMetadata(tensors);
  await checkModel(tensors, dimension, probe);
  const index = new SentenceIndex(device, dimension, { precision, rescore });
  try {
    for (let part = 0; part < parts; part++) {
      const encoded = await readVectors(tensors, part, index);
      const entries = readEntries(tensors.path, part, await tensors.readBytes(`sentences.${part}`));
      const rows = encoded.data.length / rowElements[index.vectors.format.stored](dimension);
      if (entries.length !== rows)
        throw new FormatError(`${tensors.path}: part ${part} has ${rows} vectors for ${entries.length} sentences`, buildAgain);
      addPart(index, entries, encoded, tensors.path);
    }
    index.nextId = Math.max(index.nextId, nextId);
    return index;
  } catch (error) {
    index.close();
    throw error;
  }
}

async function openIndex(folder: Folder, file: string): Promise<Safetensors> {
  try {
    return await openSafetensors(folder, file);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(cause.message, giveIndex, { cause });
  }
}

function addPart(index: SentenceIndex, entries: readonly IndexedSentence[], encoded: Encoded, path: string): void {
  try {
    index.addEntries(entries, () => index.vectors.addStored(encoded));
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new FormatError(`${path} holds an id twice: ${cause.message}`, buildAgain, { cause });
  }
}

interface Metadata {
  readonly dimension: number;
  readonly precision: Precision;
  readonly rescore: boolean;
  readonly parts: number;
  readonly nextId: number;
}

function readMetadata({ path, metadata }: Safetensors): Metadata {
  if (metadata.format !== format) throw new FormatError(`${path} is a safetensors file, but not an index`, giveIndex);
  if (metadata.version !== version) {
    throw new FormatError(
      `${path} is an index of version ${metadata.version}; this program reads version ${version}`,
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
  return {
    dimension: count("dimension", 1),
    precision,
    rescore: metadata.rescore === "true",
    parts: count("parts", 0),
    nextId: count("next_id", 0),
  };
}

async function checkModel(tensors: Safetensors, dimension: number, probe: Float32Array): Promise<void> {
  const [found, own] = [toUnitLength(await tensors.readF32("probe", [dimension]), dimension), toUnitLength(probe, probe.length)];
  if (own.length === dimension && found.reduce((sum, value, i) => sum + value * own[i]!, 0) >= sameModel) return;
  throw new OptionError(
    `${tensors.path} was built with another model or pooler: a sentence has another vector there.`,
    "Load the model that built the index, with the same pooler, or build the index again.",
  );
}

async function readVectors(tensors: Safetensors, part: number, index: SentenceIndex): Promise<Encoded> {
  const { dimension, format: segmentFormat } = index.vectors;
  const { stored } = segmentFormat;
  const name = `vectors.${part}`;
  const info = tensors.tensors.get(name);
  const width = rowElements[stored](dimension);
  if (info === undefined || info.dtype !== dtypes[stored] || info.shape.length !== 2 || info.shape[1] !== width) {
    throw new FormatError(`${tensors.path}: ${name} must be ${dtypes[stored]} [rows, ${width}]`, buildAgain);
  }
  const bytes = await tensors.readBytes(name);
  const data = views[stored](bytes);
  if (stored === "f32" || stored === "f16") checkFinite(tensors.path, name, data, stored);
  if (stored !== "int8") return { data };
  const scales = await tensors.readF32(`scales.${part}`, [info.shape[0]!]);
  checkFinite(tensors.path, `scales.${part}`, scales, "f32");
  return { data, scales };
}

const views: Readonly<Record<Precision, (bytes: Uint8Array) => Encoded["data"]>> = {
  f32: (bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
  f16: (bytes) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
  int8: (bytes) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length),
  binary: (bytes) => bytes,
};

/** The exponent bits of infinity and NaN: f16 as it is, f32 as a number. */
function checkFinite(path: string, name: string, data: Encoded["data"], stored: "f32" | "f16"): void {
  const bad = stored === "f32" ? data.findIndex((value) => !Number.isFinite(value)) : data.findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  if (bad !== -1) throw new FormatError(`${path}: element ${bad} of ${name} is no finite number`, buildAgain);
}

const newline = 0x0a;

function readEntries(path: string, part: number, bytes: Uint8Array): IndexedSentence[] {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const entries: IndexedSentence[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(newline, start);
    const entry = parseEntry(decoder, bytes.subarray(start, end === -1 ? bytes.length : end));
    if (entry === null) throw new FormatError(`${path}: line ${entries.length + 1} of sentences.${part} is not [id, sentence]`, buildAgain);
    entries.push(entry);
    start = end === -1 ? bytes.length : end + 1;
  }
  return entries;
}

function parseEntry(decoder: TextDecoder, line: Uint8Array): IndexedSentence | null {
  try {
    const value: unknown = JSON.parse(decoder.decode(line));
    if (!Array.isArray(value) || value.length !== 2) return null;
    const [id, sentence] = value as [unknown, unknown];
    return (typeof id === "string" || Number.isSafeInteger(id)) && typeof sentence === "string" ? { id: id as SentenceId, sentence } : null;
  } catch {
    return null;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Encoded["data"]): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
