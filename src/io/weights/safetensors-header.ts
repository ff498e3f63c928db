/**
 * The header of a safetensors file, parsed and checked against the whole format, so that later readers can trust its offsets. The rules are
 * those of the official implementation (huggingface/safetensors, tensor.rs): in the order of their offsets, the tensors cover the data
 * section from its first byte to its last, without holes or overlaps, and each range fits its dtype and shape.
 */
import { FormatError } from "../../errors.ts";
import { quoted, show } from "../../show.ts";
import { deepestNesting, duplicateKey, isJsonObject, isNestedTooDeep } from "../formats/json.ts";
import { DTYPE_BITS, DTYPES, type Dtype } from "./dtypes.ts";
import { isShape, type TensorInfo, tensorBytes } from "./tensor-info.ts";

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their places in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

const METADATA_KEY = "__metadata__";
const GET_AGAIN = "Get the file again: it is damaged, or was written by a program that does not keep to the format.";

/**
 * Parses the header of the file `path`, whose data section starts at byte `dataStart` of `fileSize`. Throws FormatError, naming the file,
 * the tensor, and what was expected and found, for anything that violates the format.
 */
export function parseHeader(path: string, header: Uint8Array, dataStart: number, fileSize: number): SafetensorsHeader {
  const fields = parseObject(path, header);
  const metadata = parseMetadata(path, fields.get(METADATA_KEY));
  const tensors: [string, TensorInfo][] = [];
  for (const [name, value] of fields) {
    if (name !== METADATA_KEY) tensors.push([name, parseTensor(path, name, value, dataStart)]);
  }
  tensors.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  checkCover(path, tensors, dataStart, fileSize);
  return { metadata, tensors: new Map(tensors) };
}

function parseObject(path: string, header: Uint8Array): Map<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw new FormatError(`${path}: its header is not UTF-8`, GET_AGAIN, { cause });
  }
  if (isNestedTooDeep(text)) throw new FormatError(`${path}: its header nests lists and objects deeper than ${deepestNesting}`, GET_AGAIN);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: its header is not valid JSON`, GET_AGAIN, { cause });
  }
  if (!isJsonObject(value)) throw new FormatError(`${path}: its header is JSON, but not an object of tensors`, GET_AGAIN);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new FormatError(`${path}: its header states ${quoted(twice)} twice`, GET_AGAIN);
  return new Map(Object.entries(value));
}

function parseMetadata(path: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  if (isJsonObject(value) && Object.values(value).every((text) => typeof text === "string")) return value as Record<string, string>;
  throw new FormatError(`${path}: the ${METADATA_KEY} of its header must be an object of texts`, GET_AGAIN);
}

function parseTensor(path: string, name: string, value: unknown, dataStart: number): TensorInfo {
  const lie = (found: string) => new FormatError(`${path}: tensor ${quoted(name)} ${found}`, GET_AGAIN);
  if (!isJsonObject(value)) throw lie("is not described by an object");
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BITS, dtype)) {
    throw lie(`has the dtype ${show(dtype)}, expected one of ${DTYPES.join(", ")}`);
  }
  if (!isShape(shape)) throw lie(`has the shape ${show(shape)}, expected whole numbers that are not negative`);
  if (!isShape(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw lie(`has the data_offsets ${show(offsets)}, expected two whole numbers, the first not above the second`);
  }
  const bytes = tensorBytes(dtype as Dtype, shape);
  if (bytes === undefined) throw lie(`of ${dtype} and shape ${show(shape)} does not fill a countable number of whole bytes`);
  const [start, end] = offsets as [number, number];
  if (end - start !== bytes) {
    throw lie(`of ${dtype} and shape ${show(shape)} takes ${bytes} bytes, but its data_offsets [${start}, ${end}] hold ${end - start}`);
  }
  return { dtype: dtype as Dtype, shape, start: dataStart + start, end: dataStart + end };
}

/** Checks that tensors, sorted by where they start, cover the data section of the file without holes or overlaps. */
function checkCover(path: string, tensors: readonly [string, TensorInfo][], dataStart: number, fileSize: number): void {
  let covered = dataStart;
  let before = "the start of the data";
  for (const [name, { start, end }] of tensors) {
    if (start < covered) throw new FormatError(`${path}: tensor ${quoted(name)} overlaps ${before}`, GET_AGAIN);
    if (start > covered) {
      throw new FormatError(
        `${path}: ${start - covered} bytes between ${before} and tensor ${quoted(name)} belong to no tensor`,
        GET_AGAIN,
      );
    }
    covered = end;
    before = `tensor ${quoted(name)}`;
  }
  if (covered > fileSize) {
    const cut = tensors.find(([, info]) => info.end > fileSize)!;
    throw new FormatError(
      `${path} is cut short: its header describes a file of ${covered} bytes, it holds ${fileSize}; the first tensor that is not whole is ` +
        quoted(cut[0]),
      "Get the file again: it was not copied or downloaded to the end.",
    );
  }
  if (covered < fileSize) {
    throw new FormatError(`${path}: ${fileSize - covered} bytes after ${before} belong to no tensor`, GET_AGAIN);
  }
}
