/** sentence-transformers folders give that library's vectors: every pooling mode, the modules after it, prompts and lengths. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError } from "../../../src/errors.ts";
import { type MemoryFolder, readObject, readText } from "../../../src/io/folder.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";
import { encodeSafetensors, type TensorToWrite } from "../../../src/io/weights/safetensors.ts";
import { readConfig } from "../../../src/simcse/checkpoint/checkpoint.ts";
import { openConvertible, sentenceTransformersFiles } from "../../../src/simcse/checkpoint/convert.ts";
import { otherSimilarity } from "../../../src/simcse/checkpoint/sentence-transformers.ts";
import { SimCSE } from "../../../src/simcse/simcse.ts";
import { openTestDevice } from "../../device.ts";
import { publishedFolder } from "../../golden-models.ts";

const device = await openTestDevice();

interface GoldenCall {
  readonly options: { readonly prompt?: string; readonly prompt_name?: string };
  readonly vectors: number[][];
}

interface GoldenFolder {
  readonly files: Readonly<Record<string, unknown>>;
  readonly normalizes: boolean;
  readonly max_length: number;
  readonly calls: readonly GoldenCall[];
}

const golden = JSON.parse(readFileSync(new URL("../../golden/sentence_transformers.json", import.meta.url), "utf8")) as {
  readonly texts: string[];
  readonly folders: Readonly<Record<string, GoldenFolder>>;
};

/** The golden BERT with files beside it; `{ base64 }` is a binary one. */
async function folderWith(files: Readonly<Record<string, unknown>>): Promise<MemoryFolder> {
  const folder = publishedFolder("bert");
  for (const [name, content] of Object.entries(files)) {
    const { base64 } = (content ?? {}) as { readonly base64?: string };
    await folder.write(name, base64 === undefined ? JSON.stringify(content) : new Uint8Array(Buffer.from(base64, "base64")));
  }
  return folder;
}

describe("vectors of sentence-transformers:", () => {
  it.each(Object.entries(golden.folders))("%s", async (_, { files, normalizes, max_length, calls }) => {
    await using model = await SimCSE.loadFrom(device, await folderWith(files), { dtype: "f32" });
    expect(model.encoder.maxLength).toBe(max_length);
    for (const { options, vectors } of calls) {
      const { prompt, prompt_name: promptName } = options;
      const { data, dimension } = await model.encode(golden.texts, {
        normalize: normalizes,
        ...(prompt !== undefined && { prompt }),
        ...(promptName !== undefined && { promptName }),
      });
      expect([dimension, data.length]).toEqual([vectors[0]!.length, vectors.flat().length]);
      const worst = vectors.flat().reduce((most, value, i) => Math.max(most, Math.abs(value - data[i]!)), 0);
      expect(worst, JSON.stringify(options)).toBeLessThan(2e-5);
    }
  });
});

const transformer = { type: "sentence_transformers.models.Transformer", path: "" };
const pooling = { type: "sentence_transformers.models.Pooling", path: "1_Pooling" };
const laterModule = (name: string) => ({ type: `sentence_transformers.models.${name}`, path: `2_${name}` });
const mean = { "modules.json": [transformer, pooling], "1_Pooling/config.json": { pooling_mode_mean_tokens: true } };

describe("tokens of a text", () => {
  const lengthOf = async (files: Readonly<Record<string, unknown>>) =>
    (await readConfig(await folderWith({ ...mean, ...files }))).maxLength;

  it.each<[string, Readonly<Record<string, unknown>>, number]>([
    ["are as many as the settings say", { "sentence_bert_config.json": { max_seq_length: 23 } }, 23],
    ["are as many as the positions where nothing is said", {}, 40],
    ["and where the settings say null", { "sentence_bert_config.json": { max_seq_length: null } }, 40],
    [
      "or as the tokenizer says",
      { "sentence_bert_config.json": { max_seq_length: null }, "tokenizer_config.json": { model_max_length: 17 } },
      17,
    ],
    ["under its older name too", { "tokenizer_config.json": { max_len: 18 } }, 18],
    ["which the newer one overrules", { "tokenizer_config.json": { max_len: 18, model_max_length: 17 } }, 17],
    ["which may be any number", { "tokenizer_config.json": { model_max_length: 1e30 } }, 40],
    ["are read under older names of the settings", { "sentence_roberta_config.json": { max_seq_length: 19 } }, 19],
    ["are no more than the positions", { "sentence_bert_config.json": { max_seq_length: 512 } }, 40],
    [
      "are as many as the tokenizer's arguments say",
      { "sentence_bert_config.json": { max_seq_length: 30, tokenizer_args: { model_max_length: 12 } } },
      12,
    ],
  ])("%s", async (_, files, length) => {
    expect(await lengthOf(files)).toBe(length);
  });
});

describe("settings that change the vectors and are not applied are refused by name:", () => {
  const settings = "sentence_bert_config.json";
  it.each<[string, unknown]>([
    ["transformer_task", "fill-mask"],
    ["module_output_name", "sentence_embedding"],
    ["modality_config", { text: { method: "forward", method_output_name: "pooler_output" } }],
    ["processing_kwargs", { text: { max_length: 20 } }],
    ["config_args", { num_hidden_layers: 1 }],
    ["config_kwargs", { hidden_act: "relu" }],
    ["model_args", { num_hidden_layers: 1 }],
    ["tokenizer_args", { do_lower_case: false }],
    ["processor_kwargs", { truncation_side: "left" }],
    ["query_length", 8],
    ["document_length", 8],
    ["query_expansion", { strategy: "fixed", length: 8 }],
    ["tokenizer_name_or_path", "bert-base-uncased"],
  ])("%s", async (name, value) => {
    await expect(readConfig(await folderWith({ ...mean, [settings]: { [name]: value } }))).rejects.toThrow(`${settings}: ${name} is `);
  });

  it("a truncate_dim that is none", async () => {
    const folder = await folderWith({ ...mean, "config_sentence_transformers.json": { truncate_dim: 0 } });
    await expect(readConfig(folder)).rejects.toThrow("truncate_dim must be from 1");
  });

  it("a similarity other than the cosine is told", async () => {
    for (const [name, other] of [
      ["dot", "dot"],
      ["cosine", null],
      [null, null],
    ] as const) {
      const folder = await folderWith({ ...mean, "config_sentence_transformers.json": { similarity_fn_name: name } });
      expect(await otherSimilarity(folder)).toBe(other);
    }
  });

  it("others are not", async () => {
    const harmless = {
      model_args: { torch_dtype: "float16", trust_remote_code: true },
      config_args: { use_cache: false },
      query_length: null,
      tokenizer_args: null,
      unpad_inputs: false,
    };
    await expect(readConfig(await folderWith({ ...mean, [settings]: harmless }))).resolves.toBeDefined();
  });
});

describe("prompts", () => {
  const prompts = { prompts: { query: "w60 ", passage: null }, default_prompt_name: "query" };
  const folder = () => folderWith({ ...mean, "config_sentence_transformers.json": prompts });

  it("are the default one, one by its name, or a text", async () => {
    await using model = await SimCSE.loadFrom(device, await folder());
    const plain = await model.encode("w5", { prompt: "" });
    expect(await model.encode("w5")).toEqual(await model.encode("w60 w5", { prompt: "" }));
    expect(await model.encode("w5", { promptName: "query" })).toEqual(await model.encode("w5"));
    for (const promptName of ["passage", "document"]) expect(await model.encode("w5", { promptName })).toEqual(plain);
    expect(await model.encode("w5", { prompt: "w60 ", promptName: "passage" })).toEqual(await model.encode("w5"));
  });

  it("that the model does not have are refused with those it has", async () => {
    await using model = await SimCSE.loadFrom(device, await folder());
    await expect(model.encode(["w5"], { promptName: "constructor" })).rejects.toThrow(OptionError);
    await expect(model.encode(["w5"], { promptName: "clustering" })).rejects.toMatchObject({
      remedy: 'Choose one of "query", "document", "passage".',
    });
  });

  it("do not exist in other models", async () => {
    await using model = await SimCSE.loadFrom(device, publishedFolder("bert"), { pooler: "avg" });
    await expect(model.encode(["w5"], { promptName: "query" })).rejects.toThrow("no prompt named");
    expect(await model.encode("w5", { prompt: "w60 " })).toEqual(await model.encode("w60 w5"));
  });
});

it("truncate_dim cuts every vector, before it is scaled to unit length", async () => {
  const cut = (truncate_dim: number) => folderWith({ ...mean, "config_sentence_transformers.json": { truncate_dim } });
  await using whole = await SimCSE.loadFrom(device, await folderWith(mean));
  await using short = await SimCSE.loadFrom(device, await cut(8));
  await using long = await SimCSE.loadFrom(device, await cut(999));
  expect([short.dimension, long.dimension]).toEqual([8, whole.dimension]);
  const [wanted, found] = [await whole.encode("w5 w9", { truncateDim: 8 }), await short.encode("w5 w9")];
  for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 6);
  expect(await long.encode("w5 w9")).toEqual(await whole.encode("w5 w9"));
});

it("white space around a text is kept, which byte pairs see", async () => {
  const folder = publishedFolder("roberta");
  for (const [name, content] of Object.entries(mean)) await folder.write(name, JSON.stringify(content));
  const vocabulary = JSON.parse(await readText(folder, "vocab.json")) as Record<string, number>;
  const space = vocabulary["~"] ?? Object.values(vocabulary).at(-1)!;
  const renamed = Object.entries(vocabulary).map(([token, id]) => [id === space ? "Ġ" : token, id]);
  await folder.write("vocab.json", JSON.stringify(Object.fromEntries(renamed)));
  await using model = await SimCSE.loadFrom(device, folder);
  const [letter] = model.encoder.tokenize("b").ids.slice(1);
  expect([...model.encoder.tokenize("b ", { prompt: " " }).ids]).toEqual([0, space, letter, space, 2]);
});

it("1 and 0 are as good as true and false for a way of pooling, as in Python", async () => {
  const files = { ...mean, "1_Pooling/config.json": { pooling_mode_cls_token: 1, pooling_mode_mean_tokens: 0 } };
  expect((await readConfig(await folderWith(files))).pooler).toBe("cls_before_pooler");
});

describe("a folder is refused, and its transformer read with a pooler of one's own:", () => {
  const dense = { in_features: 32, out_features: 8, bias: true, activation_function: "torch.nn.modules.activation.Tanh" };
  const withDense = (config: object | null) => ({
    ...mean,
    "modules.json": [transformer, pooling, laterModule("Dense")],
    "2_Dense/config.json": config,
  });

  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    [
      "code of its own after pooling",
      { ...mean, "modules.json": [transformer, pooling, laterModule("Whitening")] },
      '"Whitening", which is not supported',
    ],
    [
      "a module of other code that has a known name",
      { ...withDense(dense), "modules.json": [transformer, pooling, { type: "pylate.models.Dense.Dense", path: "2_Dense" }] },
      '"pylate.models.Dense.Dense", which is not supported',
    ],
    [
      "a pooling flag that is none",
      { ...mean, "1_Pooling/config.json": { pooling_mode_cls_token: "yes" } },
      "pooling_mode_cls_token must be true",
    ],
    ["a bias that is none", withDense({ ...dense, bias: "true" }), "bias must be true or false"],
    [
      "a module of the prototype",
      { ...mean, "modules.json": [transformer, pooling, laterModule("constructor")] },
      '"constructor", which is not',
    ],
    ["no pooling", { "modules.json": [transformer] }, "expected Pooling"],
    ["a way of pooling that is none", { ...mean, "1_Pooling/config.json": { pooling_mode: "constructor" } }, 'pools by ["constructor"]'],
    ["pooling in a way that is null", { ...mean, "1_Pooling/config.json": { pooling_mode: null } }, "pools by [null]"],
    ["pooling that is null", { ...mean, "1_Pooling/config.json": null }, "must hold a JSON object, found null"],
    ["pooling in a thousand ways", { ...mean, "1_Pooling/config.json": { pooling_mode: Array(1000).fill("mean") } }, "pools by"],
    ["an unknown activation", withDense({ ...dense, activation_function: "torch.nn.Softmax" }), 'the activation "torch.nn.Softmax"'],
    ["a dense layer of tokens", withDense({ ...dense, module_input_name: "token_embeddings" }), 'a layer from "token_embeddings"'],
    [
      "unit length of tokens",
      {
        ...mean,
        "modules.json": [transformer, pooling, laterModule("Normalize")],
        "2_Normalize/config.json": { module_input_name: "token_embeddings" },
      },
      'a layer from "token_embeddings"',
    ],
    ["a dense layer of no size", withDense({ ...dense, out_features: 0 }), "out_features must be from 1 to"],
    ["a dense layer of another width", withDense({ ...dense, in_features: 64 }), "takes vectors of 64 numbers after one that gives 32"],
    ["a dense layer that is null", withDense(null), "must hold a JSON object, found null"],
  ])("%s", async (_, files, message) => {
    await expect(readConfig(await folderWith(files))).rejects.toThrow(FormatError);
    await expect(readConfig(await folderWith(files))).rejects.toThrow(message);
    await using model = await SimCSE.loadFrom(device, await folderWith(files), { pooler: "avg" });
    expect(model.pooler).toBe("avg");
  });

  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    [
      "a transformer of its own",
      { "modules.json": [{ type: "custom_st.Transformer2", path: "" }, pooling] },
      'begins with "custom_st.Transformer2"',
    ],
    ["no modules", { "modules.json": {} }, "is no list of modules"],
    ["a path out of the folder", { "modules.json": [{ type: "x.Transformer", path: "../other" }] }, "without a type and a folder"],
    ["a length that is none", { ...mean, "sentence_bert_config.json": { max_seq_length: "long" } }, 'found "long"'],
    ["settings that are null", { ...mean, "sentence_bert_config.json": null }, "must hold a JSON object, found null"],
    [
      "a default prompt that is not there",
      { ...mean, "config_sentence_transformers.json": { default_prompt_name: "toString" } },
      'default_prompt_name "toString" is none of its prompts',
    ],
    ["prompts that are no texts", { ...mean, "config_sentence_transformers.json": { prompts: { query: 3 } } }, "prompts must be texts"],
    [
      "lower case that is a word",
      { ...mean, "sentence_bert_config.json": { do_lower_case: "yes" } },
      "do_lower_case must be true or false",
    ],
  ])("%s, which no pooler mends", async (_, files, message) => {
    await expect(readConfig(await folderWith(files), { pooler: "avg" })).rejects.toThrow(FormatError);
    await expect(readConfig(await folderWith(files), { pooler: "avg" })).rejects.toThrow(message);
  });
});

describe("do_lower_case of sentence_bert_config.json", () => {
  const lower = { "sentence_bert_config.json": { do_lower_case: true } };
  const cased = { "tokenizer_config.json": { do_lower_case: false } };
  const idsOf = async (files: Readonly<Record<string, unknown>>, text: string) => {
    const { folder } = await readConfig(await folderWith({ ...mean, ...files }));
    return (await loadTokenizer(folder)).encode(text, 16);
  };

  it("lowers texts for a tokenizer that keeps their case, but not special tokens in them", async () => {
    expect(await idsOf(cased, "W5 [SEP]")).not.toEqual(await idsOf(cased, "w5 [SEP]"));
    expect(await idsOf({ ...lower, ...cased }, "W5 [SEP]")).toEqual(await idsOf(cased, "w5 [SEP]"));
    expect(await idsOf({ "sentence_bert_config.json": { do_lower_case: null }, ...cased }, "W5")).toEqual(await idsOf(cased, "W5"));
  });

  it("keeps accents, which such a tokenizer keeps", async () => {
    const { folder } = await readConfig(await folderWith({ ...mean, ...lower, ...cased }));
    const { files } = await loadTokenizer(folder);
    const { normalizer } = JSON.parse(files.get("tokenizer.json")!) as { normalizer: unknown };
    expect(normalizer).toMatchObject({ lowercase: true, strip_accents: false });
    // A model that is saved again opens the same way in Python: it also says so where sentence-transformers looks.
    const settings = sentenceTransformersFiles(await openConvertible(await folderWith({ ...mean, ...lower, ...cased })), "F32");
    expect(JSON.parse(String(settings.find(({ name }) => name === "sentence_bert_config.json")!.content))).toMatchObject({
      do_lower_case: true,
    });
    expect(JSON.parse(files.get("tokenizer_config.json")!)).toMatchObject({ do_lower_case: true, strip_accents: false });
  });

  it("comes before the other normalisers of a tokenizer.json", async () => {
    const definition = JSON.parse((await loadTokenizer(publishedFolder("bert"))).files.get("tokenizer.json")!) as object;
    for (const [normalizer, others] of [
      [null, []],
      [{ type: "NFC" }, [{ type: "NFC" }]],
      [{ type: "Sequence", normalizers: [{ type: "NFD" }] }, [{ type: "NFD" }]],
    ] as const) {
      const { folder } = await readConfig(await folderWith({ ...mean, ...lower, "tokenizer.json": { ...definition, normalizer } }));
      expect(await readObject(folder, "tokenizer.json")).toMatchObject({ normalizer: { normalizers: [{ type: "Lowercase" }, ...others] } });
    }
    const already = { "tokenizer.json": { ...definition, normalizer: { type: "Lowercase" } } };
    const { folder } = await readConfig(await folderWith({ ...mean, ...lower, ...already }));
    expect(await readObject(folder, "tokenizer.json")).toMatchObject({ normalizer: { type: "Lowercase" } });
  });

  it("is refused for byte pairs without a tokenizer.json", async () => {
    const folder = publishedFolder("roberta");
    for (const [name, value] of Object.entries({ ...mean, ...lower })) await folder.write(name, JSON.stringify(value));
    await expect(readConfig(folder)).rejects.toThrow("for a tokenizer without a tokenizer.json");
    await expect(readConfig(folder)).rejects.toThrow(FormatError);
  });
});

describe("a dense layer's weights", () => {
  const config = { in_features: 32, out_features: 4, activation_function: "torch.nn.modules.linear.Identity" };
  const load = async (tensors: readonly TensorToWrite[]) => {
    const folder = await folderWith({
      ...mean,
      "modules.json": [transformer, pooling, laterModule("Dense")],
      "2_Dense/config.json": config,
    });
    await folder.write("2_Dense/model.safetensors", encodeSafetensors(tensors));
    return SimCSE.loadFrom(device, folder);
  };
  const tensor = (name: string, shape: readonly number[], value = 0): TensorToWrite => ({
    name: `linear.${name}`,
    dtype: "F32",
    shape,
    data: () => new Uint8Array(new Float32Array(shape.reduce((size, length) => size * length, 1)).fill(value).buffer),
  });

  it.each<[string, readonly TensorToWrite[], string]>([
    ["of another shape", [tensor("weight", [5, 32]), tensor("bias", [4])], "model.safetensors: linear.weight has shape [5, 32]"],
    ["that are missing", [tensor("bias", [4])], "model.safetensors has no tensor linear.weight"],
    [
      "that its config has no place for",
      [tensor("weight", [4, 32]), tensor("bias", [4]), tensor("scale", [4])],
      "no place for the tensor linear.scale",
    ],
    ["that are not finite", [tensor("weight", [4, 32], Number.NaN), tensor("bias", [4])], 'element 0 of tensor "linear.weight" is NaN'],
  ])("%s are named by their own file", async (_, tensors, message) => {
    await expect(load(tensors)).rejects.toThrow(FormatError);
    await expect(load(tensors)).rejects.toThrow(message);
    await expect(load(tensors)).rejects.toThrow("2_Dense/model.safetensors");
  });
});
