/**
 * Opens checkpoints that `torch.save` wrote (`pytorch_model.bin`) for reading: zip archives since PyTorch 1.6, and consecutive pickles
 * before.
 *
 * Nothing of a file is run: its pickle is read by pickle.ts with the few names below. The result is where each tensor is in the file;
 * tensors are then read as in any other format (tensor-file.ts). Several tensors may share bytes, and a view that is not in C order is
 * reordered when it is read. Checksums are not computed.
 */
import { FormatError } from "../../errors.ts";
import { quoted, show } from "../../show.ts";
import { type Folder, pathIn } from "../folder.ts";
import { mistakenFor, telltaleBytes } from "../mistaken-file.ts";
import { DTYPE_BITS, type Dtype } from "./dtypes.ts";
import { unpickle } from "./pickle.ts";
import { TensorFile, type Weights } from "./tensor-file.ts";
import type { TensorInfo } from "./tensor-info.ts";
import { SavedTensor, type Storage, tensorContext } from "./torch-pickle.ts";
import { type ByteRange, GET_AGAIN, openZip, type ZipArchive } from "./zip.ts";

/** The pickle of a state dict takes some 100 bytes per tensor. */
const MAX_PICKLE_BYTES = 16 * 2 ** 20;
const ZIP_START = 0x04034b50;
/** The first instruction of a pickle; its version, from 2 to 5, follows. */
const PICKLE_START = 0x80;
/** The content of the first pickle in a file from before PyTorch 1.6. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;
/** In such a file, the number of elements precedes each storage. */
const COUNT_BYTES = 8;

/** Members that are looked up at the same time: behind HTTP each is a request. */
const LOCATED_AT_ONCE = 16;

/**
 * Opens a checkpoint. Throws FileError when the file is missing, and FormatError, naming the file, the tensor, and what was expected and
 * found, when it is not a torch checkpoint, is truncated, contains anything but weights, or describes tensors that it does not hold.
 */
export async function openTorchCheckpoint(folder: Folder, file: string): Promise<Weights> {
  const path = pathIn(folder, file);
  const size = await folder.size(file);
  const first = await folder.read(file, 0, Math.min(size, telltaleBytes));
  const start = first.length < 8 ? 0 : new DataView(first.buffer, first.byteOffset).getUint32(0, true);
  if (isSafetensors(first)) throw new FormatError(`${path} is a safetensors file`, "Name it model.safetensors.");
  if (start === ZIP_START) return openZipped(folder, file);
  if ((start & 0xff) === PICKLE_START) return openLegacy(folder, file, size);
  const { what, remedy } = mistakenFor(first) ?? { what: "no checkpoint of PyTorch's", remedy: GET_AGAIN };
  throw new FormatError(`${path} is ${what}`, remedy);
}

/** A safetensors file begins with the length of its header in eight bytes, and the header with a brace. */
const isSafetensors = (first: Uint8Array) => first[8] === "{".charCodeAt(0) && first.subarray(4, 8).every((byte) => byte === 0);

/** An archive contains, in one folder, `data.pkl`, the storages as `data/<key>`, and since PyTorch 2.0 their `byteorder`. */
async function openZipped(folder: Folder, file: string): Promise<Weights> {
  const archive = await openZip(folder, file);
  const { path, names } = archive;
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new FormatError(
      `${path} is a zip archive with ${pickles.length} members data.pkl, expected 1`,
      "Use a file that torch.save wrote, or model.safetensors.",
    );
  }
  const root = pickles[0]!.slice(0, -"data.pkl".length);
  if (names.includes(`${root}byteorder`)) {
    const order = new TextDecoder().decode(await readMember(archive, folder, file, `${root}byteorder`));
    if (order !== "little") throw bigEndian(path, order);
  }
  const pickle = await readMember(archive, folder, file, pickles[0]!);
  const tensors = tensorsOf(path, unpickle(pickle, 0, tensorContext(path)).value);
  const places = new Map<string, ByteRange>();
  const storages = [...new Set([...tensors.values()].map((tensor) => tensor.storage))];
  for (let i = 0; i < storages.length; i += LOCATED_AT_ONCE) {
    const locate = async (storage: Storage) => {
      const place = await archive.locate(`${root}data/${storage.key}`);
      if (place.end - place.start < bytesOf(storage)) throw cutStorage(path, storage, place.end - place.start);
      places.set(storage.key, place);
    };
    await Promise.all(storages.slice(i, i + LOCATED_AT_ONCE).map(locate));
  }
  return placed(folder, file, tensors, places);
}

async function readMember(archive: ZipArchive, folder: Folder, file: string, name: string): Promise<Uint8Array> {
  const { start, end } = await archive.locate(name);
  if (end - start > MAX_PICKLE_BYTES) {
    throw new FormatError(
      `${archive.path}: its member ${quoted(name)} takes ${end - start} bytes, at most ${MAX_PICKLE_BYTES} are read`,
      GET_AGAIN,
    );
  }
  return folder.read(file, start, end);
}

/** Pickles: magic number, protocol, system, the weights, the storages' keys; then each storage's number of elements and bytes. */
async function openLegacy(folder: Folder, file: string, size: number): Promise<Weights> {
  const path = pathIn(folder, file);
  const head = await folder.read(file, 0, Math.min(size, MAX_PICKLE_BYTES));
  const context = tensorContext(path);
  let at = 0;
  const next = () => {
    const { value, end } = unpickle(head, at, context);
    at = end;
    return value;
  };
  if (next() !== LEGACY_MAGIC || next() !== LEGACY_PROTOCOL) {
    throw new FormatError(`${path} is a pickle, but no checkpoint of PyTorch's`, "Use a file that torch.save wrote, or model.safetensors.");
  }
  const system = next();
  if (!(system instanceof Map) || system.get("little_endian") !== true) throw bigEndian(path, "big");
  const tensors = tensorsOf(path, next());
  const keys = next();
  const storages = new Map([...context.storages.values()].map((storage) => [storage.key, storage]));
  const places = new Map<string, ByteRange>();
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = storages.get(key as string);
    if (storage === undefined || places.has(storage.key)) throw new FormatError(`${path}: its list of storages is damaged`, GET_AGAIN);
    const end = at + COUNT_BYTES + bytesOf(storage);
    if (end > size) throw cutStorage(path, storage, Math.max(0, size - at - COUNT_BYTES));
    const count = await folder.read(file, at, at + COUNT_BYTES);
    if (Number(new DataView(count.buffer, count.byteOffset).getBigUint64(0, true)) !== storage.elements) {
      throw new FormatError(`${path}: its storage ${quoted(storage.key)} has another size than its pickle says`, GET_AGAIN);
    }
    places.set(storage.key, { start: at + COUNT_BYTES, end });
    at = end;
  }
  return placed(folder, file, tensors, places);
}

/** The keys under which training programs (Lightning, fairseq, DeepSpeed) keep the state dict in their checkpoints, the usual ones first. */
const WRAPPING_KEYS = ["state_dict", "model_state_dict", "model", "net", "module", "weights"];

/** The tensors of a state dict, or of one under a wrapping key. Entries that are not tensors are left out. */
function tensorsOf(path: string, value: unknown): Map<string, SavedTensor> {
  const outer = value instanceof Map ? value : new Map<unknown, unknown>();
  for (const dictionary of [...WRAPPING_KEYS.map((key) => outer.get(key)), outer]) {
    const tensors = new Map<string, SavedTensor>();
    for (const [name, entry] of dictionary instanceof Map ? dictionary : []) {
      if (typeof name === "string" && entry instanceof SavedTensor) tensors.set(name, entry);
    }
    if (tensors.size > 0) return tensors;
  }
  const found = outer.size === 0 ? "" : `: it has the keys ${show([...outer.keys()])}`;
  throw new FormatError(
    `${path} holds no dictionary of tensors${found}`,
    "Save the model's state_dict(), not the model or something else.",
  );
}

function placed(folder: Folder, file: string, tensors: ReadonlyMap<string, SavedTensor>, places: ReadonlyMap<string, ByteRange>): Weights {
  const infos = new Map<string, TensorInfo>();
  for (const [name, { storage, offset, shape, strides, span }] of tensors) {
    const place = places.get(storage.key);
    if (place === undefined) {
      throw new FormatError(`${pathIn(folder, file)}: the storage of tensor ${quoted(name)} is missing`, GET_AGAIN);
    }
    const elementBytes = bytesOfElement(storage.dtype);
    const start = place.start + offset * elementBytes;
    infos.set(name, { dtype: storage.dtype, shape, start, end: start + span * elementBytes, strides });
  }
  return new TensorFile(folder, file, infos);
}

function bytesOfElement(dtype: Dtype): number {
  return DTYPE_BITS[dtype] / 8;
}

function bytesOf({ dtype, elements }: Storage): number {
  return elements * bytesOfElement(dtype);
}

function cutStorage(path: string, storage: Storage, found: number): FormatError {
  return new FormatError(
    `${path}: its storage ${quoted(storage.key)} takes ${bytesOf(storage)} bytes, the file holds ${found} of them`,
    GET_AGAIN,
  );
}

function bigEndian(path: string, order: string): FormatError {
  return new FormatError(
    `${path} was written with the byte order ${quoted(order)}, expected "little"`,
    "Save it again on a little-endian machine.",
  );
}
