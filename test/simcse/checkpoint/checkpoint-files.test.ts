import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError, SimcseError } from "../../../src/errors.ts";
import { type Folder, MemoryFolder, readText, subfolder } from "../../../src/io/folder.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";
import { encodeSafetensors, openSafetensors } from "../../../src/io/weights/safetensors.ts";
import { openWeights } from "../../../src/io/weights.ts";
import { configText, parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { fitConfig, inspectWeights, loadWeights, modelFiles, readConfig } from "../../../src/simcse/checkpoint/checkpoint.ts";
import { moduleFiles } from "../../../src/simcse/checkpoint/sentence-transformers.ts";
import { unprepared } from "../../../src/simcse/embedding/prompts.ts";
import { BatchPacker, tableSizes } from "../../../src/simcse/model/batch.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { officialPooler } from "../../../src/simcse/model/official-models.ts";
import { poolerTypes } from "../../../src/simcse/model/poolers.ts";
import { SimCSE } from "../../../src/simcse/simcse.ts";
import { openTestDevice } from "../../device.ts";
import { goldenOf, kinds, publishedFolder } from "../../golden-models.ts";
import { describeWithSharedData } from "../../shared-data.ts";
import { temporaryFolder, tinyConfig, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const goldens = await openFolder(fileURLToPath(new URL("../../golden", import.meta.url)));
const json = (value: unknown) => JSON.stringify(value);

describe.each(["bert", "roberta"] as const)("a pytorch_model.bin of %s", (kind) => {
  it.each(poolerTypes)("gives PyTorch's vectors by %s", async (pooler) => {
    const { sentences } = goldenOf(kind);
    await using model = await SimCSE.loadFrom(device, publishedFolder(kind), { pooler, normalize: false, dtype: "f32" });
    const { data } = await model.encode(sentences.pairs!.map((ids) => kinds[kind].text(ids.slice(1, -1))));
    const wanted = await (await openSafetensors(goldens, `${kind}.safetensors`)).readF32(`pooled.pairs.${pooler}`);
    expect(data.length).toBe(wanted.length);
    for (const [i, value] of data.entries()) expect(Math.abs(value - wanted[i]!), `${i}`).toBeLessThan(1e-4);
  });

  it("cuts texts to what its positions take", async () => {
    // RoBERTa's first two rows are no positions of a sentence.
    const longest = kind === "bert" ? 40 : 38;
    await using model = await SimCSE.loadFrom(device, publishedFolder(kind), { pooler: "avg" });
    expect(model.encoder.maxLength).toBe(longest);
    await model.encode(kinds[kind].text(Array(60).fill(7)));
    await expect(SimCSE.loadFrom(device, publishedFolder(kind), { pooler: "avg", maxLength: longest + 1 })).rejects.toThrow(OptionError);
  });
});

describe("the positions of a RoBERTa's tokens", () => {
  /** Those of `ids` in a folder whose config.json and tokenizer name these tokens as the padding. */
  async function positions(ids: readonly number[], pad_token_id: number, pad_token: string): Promise<number[]> {
    const folder = publishedFolder("roberta", "padded", { pad_token_id });
    await folder.write("tokenizer_config.json", json({ pad_token }));
    const config = fitConfig(folder, await loadTokenizer(folder), (await readConfig(folder)).transformer);
    expect(configText(config)).toEqual(configText((await readConfig(folder)).transformer));
    const packer = new BatchPacker({ sentences: 1, tokens: ids.length, ...tableSizes(config) }, { indices: false });
    const { tokens } = packer.pack([{ ids, key: 0 }]).inputs;
    return ids.map((_, at) => Number(tokens![at * 4 + 1]));
  }

  it.each<[string, readonly number[], number, string, readonly number[]]>([
    // transformers: cumsum(ids ≠ padding) · (ids ≠ padding) + padding
    ["are counted without padding", [0, 7, 1, 8, 2], 1, "<pad>", [2, 3, 1, 4, 5]],
    ["are counted without the last token where it is the padding", [0, 7, 8, 2], 2, "</s>", [3, 4, 5, 2]],
    ["are counted without the first token where it is the padding", [0, 7, 8, 2], 0, "<s>", [0, 1, 2, 3]],
    ["are counted without the first token where only config.json calls it padding", [0, 7, 8, 2], 0, "<pad>", [0, 1, 2, 3]],
    ["are counted with the last token where only config.json calls it padding", [0, 7, 8, 2], 2, "<pad>", [3, 4, 5, 6]],
  ])("%s", async (_, ids, id, token, wanted) => {
    expect(await positions(ids, id, token)).toEqual(wanted);
  });
});

describe("what a model says of itself", () => {
  it("is its pooler and its length", async () => {
    const simcse = { pooler_type: "avg_top2", max_seq_length: 17 };
    const { pooler, maxLength } = await readConfig(publishedFolder("bert", "mine", { simcse }));
    expect([pooler, maxLength]).toEqual(["avg_top2", 17]);
    await using model = await SimCSE.loadFrom(device, publishedFolder("bert", "mine", { simcse }));
    expect([model.pooler, model.encoder.maxLength]).toEqual(["avg_top2", 17]);
  });

  it("is not guessed but for the official models, which are known by name", async () => {
    expect(officialPooler("princeton-nlp/unsup-simcse-bert-base-uncased")).toBe("cls_before_pooler");
    expect(officialPooler("/models/sup-simcse-roberta-large/")).toBe("cls");
    expect(officialPooler("/cache/models--princeton-nlp--sup-simcse-roberta-large/snapshots/2a7b/")).toBe("cls");
    for (const name of ["someone/my-sup-simcse-bert-base-uncased", "bert-base-uncased", "unsup-simcse-bert-base-uncased-tuned"]) {
      expect(officialPooler(name)).toBeNull();
    }
    // Training goes on from their MLP; a plain BERT's pooler was trained for something else.
    expect((await readConfig(publishedFolder("bert", "princeton-nlp/sup-simcse-bert-base-uncased"))).hasTrainedHead).toBe(true);
    expect((await readConfig(publishedFolder("bert"))).hasTrainedHead).toBe(false);
    await using model = await SimCSE.loadFrom(device, publishedFolder("bert", "princeton-nlp/sup-simcse-bert-base-uncased"));
    expect(model.pooler).toBe("cls");
    await expect(SimCSE.loadFrom(device, publishedFolder("bert"))).rejects.toMatchObject({
      message: expect.stringContaining("does not say which pooler"),
      option: "pooler",
    });
  });

  it.each([[{}], [{ pooler_type: "avg" }], ["avg"], [{ pooler_type: 3, max_seq_length: 32 }]])(
    "is refused where it is damaged: %j",
    async (simcse) => {
      await expect(readConfig(publishedFolder("bert", "mine", { simcse }))).rejects.toThrow(FormatError);
    },
  );
});

it.each([
  ["bert", "cls.predictions.", ["bias", "transform.dense.weight", "transform.LayerNorm.bias"]],
  ["roberta", "lm_head.", ["bias", "dense.weight", "layer_norm.bias"]],
])("the head of a masked %s is written under its family's names, and read again", async (model_type, prefix, names) => {
  const config = parseConfig("tiny", { ...tinyConfig().json, model_type });
  const open = async (seed: number) => {
    const model = await SimCseModel.allocate(device, config, { training: false, mlp: false, mlm: true });
    model.store.initialize(seed);
    return model;
  };
  const [saved, loaded] = [await open(1), await open(2)];
  const folder = new MemoryFolder("saved");
  for (const { name, content } of modelFiles(saved, tinyConfig().tokenizer, { pooler_type: "avg", max_seq_length: 32 })) {
    await folder.write(name, content);
  }
  const { weights } = await inspectWeights(await readConfig(folder));
  const own = [...weights!.tensors.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  expect(own).toEqual(expect.arrayContaining(names));
  expect(own).toHaveLength(5);
  expect(await loadWeights(loaded, weights!, { head: "fresh" })).toEqual([]);
  for (const name of saved.store.pieces.keys()) expect(await loaded.store.read(name), name).toEqual(await saved.store.read(name));
  saved.close();
  loaded.close();
});

describe("weights", () => {
  const open = async (rename: (name: string) => string | null, change: (name: string, data: Float32Array) => void = () => {}) => {
    const golden = (await openWeights(publishedFolder("bert")))!;
    const folder = publishedFolder("bert");
    const tensors = [...golden.tensors].flatMap(([name, { dtype, shape }]) => {
      const renamed = rename(name.replace(/^bert\./, ""));
      const data = async () => {
        const values = await golden.readF32(name);
        change(name, values);
        return new Uint8Array(values.buffer);
      };
      return renamed === null || dtype !== "F32" ? [] : [{ name: renamed, dtype: "F32" as const, shape, data }];
    });
    await folder.write("model.safetensors", encodeSafetensors(tensors));
    return SimCSE.loadFrom(device, folder, { pooler: "avg" });
  };

  it.each(["module.", "module.bert.", "_orig_mod.", "0.auto_model.", "model.", "encoder.roberta."])(
    "of a model saved inside another are read under the prefix %s",
    async (prefix) => {
      await using plain = await SimCSE.loadFrom(device, publishedFolder("bert"), { pooler: "avg" });
      await using wrapped = await open((name) => prefix + name);
      expect(await wrapped.encode("w5 w9 w13")).toEqual(await plain.encode("w5 w9 w13"));
    },
  );

  it("of a model whose modules were compiled or sharded one by one are read", async () => {
    await using plain = await SimCSE.loadFrom(device, publishedFolder("bert"), { pooler: "avg" });
    await using wrapped = await open((name) =>
      name
        .replace("layer.0.", "layer.0._fsdp_wrapped_module._checkpoint_wrapped_module.")
        .replace("word_embeddings", "word_embeddings._orig_mod"),
    );
    expect(await wrapped.encode("w5 w9 w13")).toEqual(await plain.encode("w5 w9 w13"));
  });

  it("of two encoders are refused with both prefixes", async () => {
    const two = open((name) => (name.startsWith("embeddings.word") ? `query.${name}` : `passage.embeddings.word_embeddings.weight`));
    await expect(two).rejects.toThrow(FormatError);
    const both = open((name) => (name.startsWith("embeddings.position") ? "bert.embeddings.word_embeddings.weight" : name));
    await expect(both).rejects.toThrow("holds two encoders: embeddings.word_embeddings.weight and bert.embeddings.word_embeddings.weight");
  });

  it.each(["query.base_layer", "query.lora_A.default"])("with adapters that are not merged are refused: %s", async (layer) => {
    const unmerged = open((name) => name.replace("layer.0.attention.self.query", `layer.0.attention.self.${layer}`));
    await expect(unmerged).rejects.toThrow(`such as "encoder.layer.0.attention.self.${layer}.`);
    await expect(unmerged).rejects.toMatchObject({ remedy: expect.stringContaining("merge_and_unload") });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("that hold %s are refused by the name of the tensor", async (value) => {
    const damaged = open(
      (name) => name,
      (name, data) => {
        if (name.endsWith("layer.1.output.dense.bias")) data[7] = value;
      },
    );
    await expect(damaged).rejects.toThrow(`element 7 of tensor "encoder.layer.1.output.dense.bias" is ${value}`);
  });
});

it.each(["config.json", "vocab.txt", "pytorch_model.bin"])("a Git LFS pointer in the place of %s is named as one", async (file) => {
  const folder = publishedFolder("bert");
  await folder.write(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 42\n");
  await expect(SimCSE.loadFrom(device, folder, { pooler: "avg" })).rejects.toThrow(`${file} is a Git LFS pointer`);
});

it("a folder of PEFT's is named as one, with the model that its adapter belongs to", async () => {
  const folder = new MemoryFolder("adapter", [["adapter_config.json", json({ peft_type: "LORA", base_model_name_or_path: "org/base" })]]);
  const loaded = SimCSE.loadFrom(device, folder, { pooler: "avg" });
  await expect(loaded).rejects.toThrow('adapter holds an adapter of PEFT\'s and no model; it belongs to "org/base".');
  await expect(SimCSE.loadFrom(device, new MemoryFolder("empty"), { pooler: "avg" })).rejects.toThrow("empty/config.json does not exist");
});

it("an adapter of PEFT's beside a model is refused, as transformers would apply it", async () => {
  const folder = publishedFolder("bert");
  await folder.write("adapter_config.json", json({ peft_type: "LORA" }));
  const loaded = SimCSE.loadFrom(device, folder, { pooler: "avg" });
  await expect(loaded).rejects.toThrow("holds an adapter of PEFT's beside a model.");
  await expect(loaded).rejects.toMatchObject({ remedy: expect.stringContaining("remove adapter_config.json") });
});

it("a tokenizer with an added token that the model has no row for reads the texts without it", async () => {
  await using plain = await SimCSE.loadFrom(device, publishedFolder("bert"), { pooler: "avg" });
  const { vocab_size } = plain.model.config;
  const folder = publishedFolder("bert");
  await folder.write("added_tokens.json", json({ "<new>": vocab_size }));
  await using model = await SimCSE.loadFrom(device, folder, { pooler: "avg" });
  expect(await model.encode("w5 w9")).toEqual(await plain.encode("w5 w9"));
  await expect(model.encode("w5 <new> w9")).rejects.toThrow(`Token 2 of a sentence is ${vocab_size}; the model's tokens are 0 to`);
  await expect(model.encode("w5 <new> w9")).rejects.toThrow(OptionError);
});

/** A folder of sentence-transformers; `files` replaces what the writer makes. */
async function sentenceFolder(files: Readonly<Record<string, unknown>> = {}): Promise<MemoryFolder> {
  const folder = publishedFolder("bert");
  for (const { name, content } of moduleFiles("avg", 23, 32, unprepared)) await folder.write(name, content);
  for (const [name, value] of Object.entries(files)) await folder.write(name, json(value));
  return folder;
}

const modules = (...types: [type: string, path: string][]) => ({
  "modules.json": types.map(([type, path], idx) => ({ idx, name: `${idx}`, path, type })),
});
const pooling: [string, string] = ["sentence_transformers.models.Pooling", "1_Pooling"];

describe("a folder of sentence-transformers", () => {
  it("gives the vectors of its pooling, truncated to its length", async () => {
    await using model = await SimCSE.loadFrom(device, await sentenceFolder());
    await using plain = await SimCSE.loadFrom(device, publishedFolder("bert"), { pooler: "avg", maxLength: 23 });
    expect([model.pooler, model.encoder.maxLength]).toEqual(["avg", 23]);
    const text = kinds.bert.text(Array.from({ length: 30 }, (_, i) => i + 5));
    expect(await model.encode(text)).toEqual(await plain.encode(text));
  });

  it.each(["BERT", "ALBERT"])("is read where a %s has a folder of its own, and where the way of pooling is a word", async (type) => {
    const inner = publishedFolder("bert");
    const folder: Folder = new MemoryFolder("old", [
      ...(await Promise.all(inner.files.map(async (file) => [`0_${type}/${file}`, await inner.read(file)] as const))),
      ["modules.json", json(modules([`sentence_transformers.models.${type}`, `0_${type}`], pooling)["modules.json"])],
      ["1_Pooling/config.json", json({ pooling_mode: "cls" })],
    ]);
    await using model = await SimCSE.loadFrom(device, folder);
    expect(model.pooler).toBe("cls_before_pooler");
    expect(subfolder(folder, `0_${type}`).name).toBe(`old/0_${type}`);
  });

  it("cannot hold a pooler that sentence-transformers does not have", () => {
    expect(() => moduleFiles("avg_top2", 32, 32, unprepared)).toThrow(OptionError);
  });
});

describeWithSharedData("all-MiniLM-L6-v2", (data) => {
  it("pools by the mean of 256 tokens", async () => {
    const { pooler, maxLength, transformer } = await readConfig(await openFolder(join(data, "tokenizers/all-MiniLM-L6-v2")));
    expect([pooler, maxLength, transformer.hidden_size]).toEqual(["avg", 256, 384]);
  });

  it("gives the vectors of sentence-transformers", async () => {
    const teacher = JSON.parse(await readText(await openFolder(join(data, "reference")), "minilm_teacher_100.json")) as {
      readonly text: string;
      readonly teacher_emb: number[];
    }[];
    await using model = await SimCSE.loadFrom(device, await openFolder(join(data, "models/all-MiniLM-L6-v2")), { dtype: "f32" });
    const sample = teacher.filter((_, i) => i % 5 === 0);
    const vectors = await model.encode(sample.map(({ text }) => text));
    const worst = sample
      .flatMap(({ teacher_emb }) => teacher_emb)
      .reduce((most, value, i) => Math.max(most, Math.abs(value - vectors.data[i]!)), 0);
    expect(vectors.data.length).toBe(sample.length * 384);
    expect(worst).toBeLessThan(1e-5);
  });
});

/** Tiny models whose files contradict each other. */
it.each<[string, Parameters<typeof writeTinyModel>[1], string[]]>([
  [
    "a tensor that is missing",
    { tensors: (all) => all.filter(({ name }) => name !== "embeddings.LayerNorm.weight") },
    ["model.safetensors", "embeddings.LayerNorm.weight"],
  ],
  [
    "a tensor of another shape",
    {
      tensors: (all) =>
        all.map((tensor) => (tensor.name === "encoder.layer.0.output.dense.weight" ? { ...tensor, shape: [64, 32] } : tensor)),
    },
    ["encoder.layer.0.output.dense.weight", "[64, 32]", "[32, 64]"],
  ],
  [
    "a tensor of whole numbers",
    {
      tensors: (all) => all.map((tensor) => (tensor.name === "embeddings.LayerNorm.bias" ? { ...tensor, dtype: "I32" as const } : tensor)),
    },
    ["embeddings.LayerNorm.bias", "I32"],
  ],
  ["a vocabulary larger than the embedding", { config: { vocab_size: 20 } }, ["vocabulary", "20"]],
  ["a config without a size", { config: { hidden_size: undefined } }, ["config.json", "hidden_size"]],
  ["no weights", { tensors: null }, ["model.safetensors"]],
])("%s is named", async (name, options, words) => {
  const broken = join(await temporaryFolder(), name);
  await writeTinyModel(broken, options);
  const loading = openFolder(broken).then((folder) => SimCSE.loadFrom(device, folder, { pooler: "cls" }));
  await expect(loading).rejects.toThrow(SimcseError);
  for (const word of words) await expect(loading).rejects.toThrow(word);
});
