/** Files of torch.save, real and hostile: files from torch are read exactly; anything else gives a FormatError that names the file, and no code runs. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FileError, FormatError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { concatenate } from "../../../src/io/formats/bytes.ts";
import type { Dtype } from "../../../src/io/weights/dtypes.ts";
import type { Weights } from "../../../src/io/weights/tensor-file.ts";
import { openTorchCheckpoint } from "../../../src/io/weights/torch-checkpoint.ts";
import { collect } from "../collect.ts";
import { call, dict, int, name, op, pickle, storage, str, tensor, tuple } from "./pickle-writer.ts";
import { type ZipMember, zipOf } from "./zip-writer.ts";

const golden = (file: string) => readFileSync(new URL(`../../golden/${file}`, import.meta.url));
const expected = JSON.parse(golden("torch_checkpoints.json").toString()) as Record<
  string,
  { dtype: Dtype; shape: number[]; elements: (number | boolean)[] | number }
>;

const opened = (bytes: Uint8Array): Promise<Weights> =>
  openTorchCheckpoint(new MemoryFolder("memory", [["model.bin", bytes]]), "model.bin");

/** How Node reads elements of the dtypes that do not become f32. */
const INTEGERS: Partial<Record<Dtype, (bytes: Uint8Array) => ArrayLike<number | bigint>>> = {
  I64: (bytes) => new BigInt64Array(bytes.slice().buffer),
  I32: (bytes) => new Int32Array(bytes.slice().buffer),
  U8: (bytes) => bytes,
  BOOL: (bytes) => bytes,
};

describe.each(["torch_zip.bin", "torch_legacy.bin"])("%s", (file) => {
  it("holds what torch put there, in every dtype and through every view", async () => {
    const weights = await opened(golden(file));
    expect([...weights.tensors.keys()]).toEqual(Object.keys(expected));
    for (const [name, { dtype, shape, elements }] of Object.entries(expected)) {
      expect(weights.tensors.get(name), name).toMatchObject({ dtype, shape });
      const integers = INTEGERS[dtype];
      const found = integers ? Array.from(integers(await weights.readBytes(name)), Number) : Array.from(await weights.readF32(name));
      expect(found, name).toEqual([elements].flat().map(Number));
    }
  });

  it("is streamed in chunks, views too", async () => {
    const weights = await opened(golden(file));
    for (const name of ["f32", "f16", "transposed"]) {
      const chunks = await collect(weights.streamF32(name, 8));
      expect(chunks.every(({ data }, i) => data.length <= 2 && chunks[i]!.offset === i * 2)).toBe(true);
      expect(chunks.flatMap(({ data }) => [...data])).toEqual([...(await weights.readF32(name))]);
    }
    await expect(weights.readF32("i64")).rejects.toThrow('tensor "i64" holds I64');
    await expect(weights.readF32("nothing")).rejects.toThrow(FormatError);
  });

  it("cut anywhere says so", async () => {
    const whole = golden(file);
    for (let size = 0; size < whole.length; size += 7)
      await expect(opened(whole.subarray(0, size)), String(size)).rejects.toThrow(FormatError);
  });
});

const floats = (...values: number[]) => new Uint8Array(Float32Array.of(...values).buffer);
const archive = (data: Uint8Array, members: readonly ZipMember[] = [{ name: "m/data/0", bytes: floats(1.5, -2) }]) =>
  zipOf([{ name: "m/data.pkl", bytes: data }, ...members]);
const holding = (value: Uint8Array, members?: readonly ZipMember[]) => archive(pickle(dict({ w: value })), members);

it("an archive made by hand is read", async () => {
  expect(await (await opened(holding(tensor()))).readF32("w")).toEqual(Float32Array.of(1.5, -2));
});

it("a parameter with attributes, as transformers gives them, is read", async () => {
  const rebuilt = call(name("torch._utils", "_rebuild_parameter_with_state"), tensor(), op(0x88), dict({}), dict({ marked: op(0x88) }));
  expect(await (await opened(holding(rebuilt))).readF32("w")).toEqual(Float32Array.of(1.5, -2));
});

it.each(["state_dict", "model_state_dict", "model", "module"])("a state dict under %s is read, beside the optimizer's", async (key) => {
  const optimizer = dict({ state: dict({ step: int(3) }) });
  const weights = await opened(archive(pickle(dict({ optimizer, [key]: dict({ w: tensor() }) }))));
  expect([...weights.tensors.keys()]).toEqual(["w"]);
});

it("a state dict is read beside devices, shapes, dtypes and complex numbers", async () => {
  const beside = { at: call(name("torch", "device"), str("cuda"), int(0)), of: call(name("torch", "Size"), tuple(int(1), int(2))) };
  const complex = [{ name: "m/data/0", bytes: floats(1.5, -2) }, ...[{ name: "m/data/1", bytes: floats(0, 1) }]];
  const parts = { ...beside, dtype: name("torch", "bfloat16"), z: storage(1, "1", "ComplexFloatStorage") };
  const weights = await opened(archive(pickle(dict({ ...parts, state_dict: dict({ w: tensor() }) })), complex));
  expect(await weights.readF32("w")).toEqual(Float32Array.of(1.5, -2));
});

describe("a hostile pickle is refused by name, and nothing runs", () => {
  const system = call(name("os", "system"), str("touch /tmp/simcse-was-here"));
  it.each<[string, Uint8Array, string]>([
    ["os.system", pickle(system), '"os.system"'],
    ["posix.system in the place of a tensor", pickle(dict({ w: call(name("posix", "system"), str("id")) })), '"posix.system"'],
    ["builtins.eval", pickle(call(name("builtins", "eval"), str("1"))), '"builtins.eval"'],
    ["builtins.getattr", pickle(call(name("builtins", "getattr"), name("torch", "FloatStorage"), str("x"))), '"builtins.getattr"'],
    ["subprocess.Popen", pickle(call(name("subprocess", "Popen"), str("id"))), '"subprocess.Popen"'],
    ["a call within a call", pickle(dict({ w: call(name("collections", "OrderedDict"), system) })), '"os.system"'],
    ["a name put together on the stack", pickle(str("os"), str("system"), op(0x93)), '"os.system"'],
    ["a name with a dot", pickle(name("torch", "FloatStorage.__init__")), '"torch.FloatStorage.__init__"'],
    ["a name of an object's own", pickle(name("constructor", "prototype")), '"constructor.prototype"'],
    ["torch.load within", pickle(call(name("torch.storage", "_load_from_bytes"), str(""))), '"torch.storage._load_from_bytes"'],
    ["a whole model", pickle(call(name("transformers", "BertModel"))), '"transformers.BertModel"'],
    ["a call of a storage", pickle(call(name("torch", "FloatStorage"))), "calls torch.FloatStorage, which is no function"],
    ["a call of a value", pickle(call(str("os.system"), str("id"))), "calls a value, which is no function"],
    ["attributes of a tensor", holdsBuild(), "gives attributes to what is no dictionary"],
    ["INST", pickle(op("("), str("id"), concatenate([op("i"), new TextEncoder().encode("os\nsystem\n")])), "the instruction INST"],
    ["OBJ", pickle(op("("), name("torch", "FloatStorage"), op("o")), "the instruction OBJ"],
    ["NEWOBJ", pickle(name("torch", "FloatStorage"), tuple(), op(0x81)), "the instruction NEWOBJ"],
    ["EXT1", pickle(op(0x82), op(1)), "the instruction EXT1"],
    ["an instruction that is none", pickle(op(0xff)), "the byte 0xff"],
  ])("%s", async (_, data, message) => {
    await expect(opened(archive(data))).rejects.toThrow(FormatError);
    await expect(opened(archive(data))).rejects.toThrow(message);
  });

  it.each([
    ["torch._utils", "_rebuild_tensor_v3", "a tensor of 8-bit floats or of unsigned whole numbers"],
    ["torch._utils", "_rebuild_sparse_tensor", "a sparse tensor"],
    ["torch._utils", "_rebuild_qtensor", "a quantized tensor"],
    ["torch._utils", "_rebuild_meta_tensor_no_storage", 'a tensor of the device "meta"'],
    ["torch", "ComplexDoubleStorage", "a complex tensor"],
  ])("but %s.%s is no attack", async (module, attribute, what) => {
    const opening = opened(holding(name(module, attribute)));
    await expect(opening).rejects.toThrow(`memory/model.bin has ${what}`);
    await expect(opening).rejects.toMatchObject({ remedy: expect.stringContaining("float32, float16 or bfloat16") });
  });

  function holdsBuild() {
    return pickle(dict({ w: concatenate([tensor(), dict({ x: int(1) }), op("b")]) }));
  }
});

describe("a pickle that lies or asks for too much is refused", () => {
  it.each<[string, Uint8Array, string]>([
    ["more elements than the storage", tensor({ shape: [3] }), "shape [3] on a storage of 2 elements"],
    ["an end beyond the storage", tensor({ offset: 1 }), "ends at element 3 of a storage of 2"],
    ["strides beyond the storage", tensor({ strides: [2] }), "ends at element 3 of a storage of 2"],
    ["an expanded view of absurd size", tensor({ shape: [2 ** 40, 2 ** 40], strides: [0, 0] }), "on a storage of 2 elements"],
    [
      "a shape whose product overflows",
      tensor({ shape: Array(40).fill(2 ** 50), strides: Array(40).fill(0) }),
      "on a storage of 2 elements",
    ],
    ["the negatives of a tensor's numbers", negatives(), 'stores a tensor with the mark "neg"'],
    ["a shape of 65 dimensions", tensor({ shape: Array(65).fill(1), strides: Array(65).fill(1) }), "65 dimensions"],
    ["a negative size", tensor({ shape: [-1] }), "a tensor that is none"],
    ["a negative stride", tensor({ strides: [-1] }), "a tensor that is none"],
    ["a negative offset", tensor({ offset: -1 }), "a tensor that is none"],
    [
      "a size that is no number",
      call(name("torch._utils", "_rebuild_tensor_v2"), storage(2), str("0"), tuple(), tuple()),
      "a tensor that is none",
    ],
    ["fewer strides than sizes", tensor({ shape: [1, 2] }), "2 dimensions and 1 strides"],
    ["a storage larger than the file", tensor({ elements: 2 ** 40 }), 'its storage "0" takes 4398046511104 bytes, the file holds 8'],
    ["a storage that no file can hold", tensor({ elements: 2n ** 52n }), "a storage of 4503599627370496 elements"],
    ["a storage in two ways", tuple(tensor(), tensor({ elements: 1, shape: [1] })), 'the storage "0" in two ways'],
    ["a storage that is missing", tuplelessTensor("7"), 'its member "m/data/7" is missing'],
    ["a storage outside its folder", tuplelessTensor("../0"), 'its member "m/data/../0" is missing'],
    ["a dictionary made of a list", call(name("collections", "OrderedDict"), op("]")), "makes a dictionary of another value"],
    ["a storage of an unknown kind", storage(2, "0", "QInt8Storage"), '"torch.QInt8Storage"'],
    ["a parameter that is no tensor", call(name("torch._utils", "_rebuild_parameter"), int(1)), "a parameter of what is no tensor"],
  ])("%s", async (_, value, message) => {
    await expect(opened(holding(value))).rejects.toThrow(FormatError);
    await expect(opened(holding(value))).rejects.toThrow(message);
  });

  function negatives() {
    const [shape, strides, marks] = [tuple(int(2)), tuple(int(1)), dict({ neg: op(0x88) })];
    return call(name("torch._utils", "_rebuild_tensor_v2"), storage(2), int(0), shape, strides, op(0x89), op("N"), marks);
  }

  function tuplelessTensor(key: string) {
    return call(name("torch._utils", "_rebuild_tensor_v2"), storage(2, key), int(0), tuple(int(2)), tuple(int(1)));
  }

  it.each<[string, Uint8Array, string]>([
    ["an empty stack", pickle(op("a")), "an empty stack"],
    ["a mark that is not set", pickle(op("t")), "a mark that is not set"],
    ["a value never stored", pickle(op("h"), op(9)), "recalls the value 9"],
    ["a text longer than the file", pickle(op("X"), new Uint8Array(4).fill(0xff)), "ends where 4294967295 bytes should follow"],
    ["an integer of a million bits", pickle(op(0x8b), new Uint8Array(Uint32Array.of(125_000).buffer)), "an integer of 125000 bytes"],
    ["nothing", new Uint8Array(), "ends where 1 bytes should follow"],
    ["no end", pickle(op("}")).slice(0, -1), "ends where 1 bytes should follow"],
    ["no dictionary", pickle(tensor()), "holds no dictionary of tensors"],
    ["no dictionary of tensors", pickle(dict({ epoch: int(1) })), 'holds no dictionary of tensors: it has the keys ["epoch"]'],
  ])("%s", async (_, data, message) => {
    await expect(opened(archive(data))).rejects.toThrow(message);
    await expect(opened(archive(data))).rejects.toThrow(FormatError);
  });

  const put = (index: number) => concatenate([op("q"), op(index)]);
  const level = (index: number) => [op("]"), put(index), op("("), ...Array(10).fill(concatenate([op("h"), op(index - 1)])), op("e")];
  const bomb = concatenate([op("]"), put(0), ...Array.from({ length: 30 }, (_, i) => level(i + 1)).flat()]);

  it("lists within lists that would unfold to 10^30 values take no more than their bytes", async () => {
    expect([...(await opened(archive(pickle(dict({ bomb, w: tensor() }))))).tensors.keys()]).toEqual(["w"]);
  });

  it("the name of an import is a list of lists that would unfold to 10^30 values", async () => {
    await expect(opened(archive(pickle(bomb, str("name"), op(0x93))))).rejects.toThrow('asks for the name "name" of the module [[');
    const deep = concatenate([...Array(20_000).fill(op("]")), ...Array(19_999).fill(op("a"))]);
    await expect(opened(archive(pickle(deep, str("name"), op(0x93))))).rejects.toThrow(FormatError);
  });

  it.each([
    ["dictionaries", "}"],
    ["lists", "]"],
  ])("%s, one a byte, are refused before they fill the memory", async (_, instruction) => {
    await expect(opened(archive(pickle(new Uint8Array(2 ** 20).fill(instruction.charCodeAt(0)))))).rejects.toThrow(
      "more dictionaries, lists and tuples than weights",
    );
  });

  it("a memo of four billion places takes no more than its bytes, and a list may hold itself", async () => {
    const sparse = concatenate([op("]"), op("r"), new Uint8Array(4).fill(0xff), op("j"), new Uint8Array(4).fill(0xff), op("a")]);
    expect([...(await opened(archive(pickle(dict({ sparse, w: tensor() }))))).tensors.keys()]).toEqual(["w"]);
  });
});

describe("an archive that lies is refused", () => {
  const data = pickle(dict({ w: tensor() }));
  const zero = { name: "m/data/0", bytes: floats(1, 2) };
  it.each<[string, Uint8Array, string]>([
    ["a zip bomb", archive(data, [{ ...zero, claims: { method: 8, size: 2 ** 31 } }]), 'its member "m/data/0" is compressed'],
    [
      "a compressed pickle",
      zipOf([{ name: "m/data.pkl", bytes: data, claims: { method: 8 } }, zero]),
      'its member "m/data.pkl" is compressed',
    ],
    ["an encrypted member", archive(data, [{ ...zero, claims: { flags: 1 } }]), "is encrypted"],
    [
      "a member that ends outside the file",
      archive(data, [{ ...zero, claims: { size: 2 ** 31 } }]),
      "of 2147483648 bytes ends outside the file",
    ],
    ["a name twice", archive(data, [zero, zero]), 'names "m/data/0" twice'],
    ["no pickle", zipOf([zero]), "with 0 members data.pkl"],
    [
      "two pickles",
      zipOf([
        { name: "a/data.pkl", bytes: data },
        { name: "b/data.pkl", bytes: data },
      ]),
      "with 2 members data.pkl",
    ],
    [
      "an order of bytes that is not ours",
      archive(data, [zero, { name: "m/byteorder", bytes: new TextEncoder().encode("big") }]),
      'order "big"',
    ],
    ["another file", floats(1, 2, 3), "is no checkpoint of PyTorch's"],
    ["a Git LFS pointer", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"],
    ["a pickle that is no checkpoint", pickle(dict({ a: int(1) })), "is a pickle, but no checkpoint"],
    ["an empty file", new Uint8Array(), "is no checkpoint"],
  ])("%s", async (_, bytes, message) => {
    await expect(opened(bytes)).rejects.toThrow(message);
    await expect(opened(bytes)).rejects.toThrow(FormatError);
  });

  it("and a safetensors file under another name is called one", async () => {
    const header = new TextEncoder().encode('{"a":{}}');
    const bytes = concatenate([new Uint8Array(new BigUint64Array([0x80n]).buffer), header]);
    await expect(opened(bytes)).rejects.toThrow("is a safetensors file");
  });

  it("and a missing file is a FileError", async () => {
    await expect(openTorchCheckpoint(new MemoryFolder("memory"), "model.bin")).rejects.toThrow(FileError);
  });
});
