/**
 * The names that a torch pickle may use, and what they make: descriptions of tensors and of their storages. This is the complete list; the
 * arguments of each are checked as hostile input.
 */
import { FormatError } from "../../errors.ts";
import { quoted, show } from "../../show.ts";
import { DTYPE_BITS, type Dtype } from "./dtypes.ts";
import { Imported, type PickleContext, Tuple } from "./pickle.ts";
import { isShape } from "./tensor-info.ts";

/** A range of elements of one dtype; tensors are views of it. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    readonly elements: number,
  ) {}
}

/** A view of a storage, checked to be within it. */
export class SavedTensor {
  constructor(
    readonly storage: Storage,
    /** Offset of its first element, in elements. */
    readonly offset: number,
    readonly shape: readonly number[],
    /** Undefined if the elements are in C order. */
    readonly strides: readonly number[] | undefined,
    /** Number of elements from its first to its last, inclusive. */
    readonly span: number,
  ) {}
}

const STORAGES: Readonly<Record<string, Dtype>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
  ComplexFloatStorage: "C64",
};

/** What makes tensors that torch.save writes and no model's weights are read from. */
const OTHER_TENSORS: ReadonlyMap<string, string> = new Map([
  ["torch._utils._rebuild_tensor_v3", "a tensor of 8-bit floats or of unsigned whole numbers"],
  ["torch._utils._rebuild_sparse_tensor", "a sparse tensor"],
  ["torch._utils._rebuild_qtensor", "a quantized tensor"],
  ["torch._utils._rebuild_meta_tensor_no_storage", 'a tensor of the device "meta", which has no numbers'],
  ["torch._tensor._rebuild_from_type_v2", "a tensor of another class than torch.Tensor"],
  ["torch._utils._rebuild_wrapper_subclass", "a tensor of another class than torch.Tensor"],
  ["torch.ComplexDoubleStorage", "a complex tensor"],
]);

/** Types that training programs keep beside the weights. */
const DTYPE_NAMES = [
  ...["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"],
  ...["bool", "uint8", "int8", "int16", "int32", "int64", "complex64", "complex128"],
];

/** torch allows no more. */
const MAX_DIMENSIONS = 64;

const ORDINARY = "Save the weights as ordinary tensors of float32, float16 or bfloat16.";

const DAMAGED = "Get the file again: it is damaged, or was not written by torch.save.";

/** The names and objects that the pickles of the file `path` may use; `storages` is filled as they are read. */
export function tensorContext(path: string): PickleContext & { readonly storages: Map<string, Storage> } {
  const fault = (what: string) => new FormatError(`${path}: its pickle ${what}`, DAMAGED);
  const storages = new Map<string, Storage>();
  const dtypes = new Map<unknown, Dtype>();
  const imports = new Map<string, Imported>();
  const add = (name: string, call?: (args: readonly unknown[]) => unknown) => {
    const imported = new Imported(name, call);
    imports.set(name, imported);
    return imported;
  };
  for (const [name, dtype] of Object.entries(STORAGES)) dtypes.set(add(`torch.${name}`), dtype);
  add("collections.OrderedDict", ({ length }) => {
    // A list would be copied: a pickle could name the same one repeatedly and need memory quadratic in its own size.
    if (length > 0) throw fault("makes a dictionary of another value");
    return new Map();
  });
  add("torch._utils._rebuild_tensor_v2", (args) => rebuildTensor(args, fault));
  add("torch._utils._rebuild_tensor", (args) => rebuildTensor(args, fault));
  // The second is for a parameter with attributes of its own, which transformers gives to those that it has loaded.
  for (const name of ["_rebuild_parameter", "_rebuild_parameter_with_state"]) {
    add(`torch._utils.${name}`, ([tensor]) => {
      if (tensor instanceof SavedTensor) return tensor;
      throw fault("makes a parameter of what is no tensor");
    });
  }
  // Values beside the weights, which nothing here reads.
  for (const name of ["torch.Size", "torch.device"]) add(name, (args) => new Tuple(args));
  for (const name of DTYPE_NAMES) add(`torch.${name}`);
  const refusal = (name: string) => {
    const kind = OTHER_TENSORS.get(name);
    return kind === undefined ? null : new FormatError(`${path} has ${kind}, which is not read`, ORDINARY);
  };
  return { path, imports, refusal, storages, persistent: (id) => storageOf(id, dtypes, storages, fault) };
}

type Fault = (what: string) => FormatError;

/** The persistent id of a storage: ("storage", its class, its key, its device, its number of elements, and formerly None). */
function storageOf(id: unknown, dtypes: ReadonlyMap<unknown, Dtype>, storages: Map<string, Storage>, fault: Fault): Storage {
  if (!(id instanceof Tuple) || id.items[0] !== "storage") throw fault("refers to what is no storage");
  const [, kind, key, , elements, view = null] = id.items;
  const dtype = dtypes.get(kind);
  if (dtype === undefined || typeof key !== "string" || !isSize(elements)) throw fault("describes a storage that is none");
  if (view !== null) throw fault(`describes the storage ${quoted(key)} as a part of another`);
  if (!Number.isSafeInteger(elements * DTYPE_BITS[dtype])) throw fault(`describes a storage of ${elements} elements`);
  const known = storages.get(key);
  if (known === undefined) {
    const storage = new Storage(key, dtype, elements);
    storages.set(key, storage);
    return storage;
  }
  if (known.dtype !== dtype || known.elements !== elements) throw fault(`describes the storage ${quoted(key)} in two ways`);
  return known;
}

/**
 * (storage, offset, shape, strides, requires_grad, hooks, marks). A mark says that the stored numbers are the negatives or the conjugates of
 * the tensor's.
 */
function rebuildTensor([storage, offset, size, stride, , , marks]: readonly unknown[], fault: Fault): SavedTensor {
  const mark = marks instanceof Map ? [...marks].find(([, isSet]) => isSet === true) : undefined;
  if (mark !== undefined) throw fault(`stores a tensor with the mark ${show(mark[0])}, not as its own numbers: save tensor.clone()`);
  const [shape, strides] = [size, stride].map((value) => (value instanceof Tuple ? value.items : undefined));
  if (!(storage instanceof Storage) || !isSize(offset) || shape === undefined || strides === undefined)
    throw fault("describes a tensor that is none");
  if (shape.length > MAX_DIMENSIONS || strides.length !== shape.length) {
    throw fault(`describes a tensor of ${shape.length} dimensions and ${strides.length} strides`);
  }
  if (!isShape(shape) || !isShape(strides)) throw fault("describes a tensor that is none");
  const text = `a tensor of shape [${shape.join(", ").slice(0, 80)}]`;
  const count = shape.reduce((product, length) => product * length, 1);
  const span = count === 0 ? 0 : shape.reduce((last, length, dimension) => last + (length - 1) * strides[dimension]!, 1);
  // A view with more elements than its storage repeats some of them, so a few bytes could ask for any amount of memory.
  if (!(count <= storage.elements)) throw fault(`describes ${text} on a storage of ${storage.elements} elements`);
  if (!(offset + span <= storage.elements)) {
    throw fault(`describes ${text} that ends at element ${offset + span} of a storage of ${storage.elements}`);
  }
  return new SavedTensor(storage, offset, shape, isInOrder(shape, strides, count) ? undefined : strides, span);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * Whether each dimension's stride is the number of elements in the dimensions after it; the stride of a dimension of size 1 does not
 * matter.
 */
function isInOrder(shape: readonly number[], strides: readonly number[], count: number): boolean {
  let expected = 1;
  return (
    count === 0 ||
    shape.every((_, i) => {
      const dimension = shape.length - 1 - i;
      const fits = shape[dimension] === 1 || strides[dimension] === expected;
      expected *= shape[dimension]!;
      return fits;
    })
  );
}
