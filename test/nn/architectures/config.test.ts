/** A config that asks for an unsupported computation is refused with the name of its field; sizes are bounded. */
import { describe, expect, it } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import { architectureOf, configText, hasDropout, longestSentence, parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { namedPieces } from "../../../src/nn/parameters/parameter.ts";
import { Modules } from "../../../src/simcse/model/model.ts";

const minimal = {
  vocab_size: 22,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 40,
};
const parse = (fields: object) => parseConfig("config.json", { ...minimal, ...fields });

it("takes heads of any even size, as TinyBERT has them", () => {
  expect(parse({ hidden_size: 312, num_attention_heads: 12 })).toMatchObject({ hidden_size: 312, num_attention_heads: 12 });
  for (const hidden_size of [36, 26])
    expect(() => parse({ hidden_size, num_attention_heads: hidden_size === 36 ? 12 : 1 })).toThrow(
      `num_attention_heads must be a divisor of hidden_size ${hidden_size} with heads of an even size, and hidden_size a multiple of 4`,
    );
});

describe("a config is refused for", () => {
  it.each<[field: string, value: unknown]>([
    ["is_decoder", true],
    ["is_causal", true],
    ["add_cross_attention", true],
    ["is_encoder_decoder", true],
    ["position_embedding_type", "relative_key_query"],
    ["hidden_act", "quick_gelu"],
    ["hidden_act", "toString"],
    ["hidden_act", null],
    ["hidden_act", 5],
    ["pruned_heads", { 0: [1] }],
    ["quantization_config", { load_in_8bit: true }],
    ["model_type", "longformer"],
    ["model_type", "constructor"],
    ["model_type", null],
    ["type_vocab_size", 0],
    ["num_hidden_layers", 1_000_000],
    ["num_hidden_layers", 1.5],
    ["vocab_size", 1e300],
    ["vocab_size", null],
    ["hidden_size", JSON.parse("[".repeat(4000) + "]".repeat(4000))],
    ["num_attention_heads", 3],
    ["pad_token_id", 22],
    ["pad_token_id", -23],
    ["layer_norm_eps", -1],
    ["initializer_range", -1],
    ["max_position_embeddings", 2 ** 40],
    ["attention_probs_dropout_prob", 1],
  ])("its %s", (field, value) => {
    expect(() => parse({ [field]: value })).toThrow(FormatError);
    expect(() => parse({ [field]: value })).toThrow(`config.json: ${field} must be`);
  });

  it.each<[field: string, value: unknown, remedy: RegExp]>([
    ["position_embedding_type", "relative_key", /^Use another model/],
    ["hidden_act", "mish", /^Use another model/],
    ["pruned_heads", { 0: [1] }, /^Use another model/],
    ["quantization_config", { quant_method: "gptq" }, /dequantize/],
    ["layer_norm_eps", "1e-12", /correct the field/],
  ])("its %s, with a remedy that keeps the model's vectors", (field, value, remedy) => {
    let error: unknown;
    try {
      parse({ [field]: value });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ remedy: expect.stringMatching(remedy) });
  });

  it("the type that its class implies where it names none", () => {
    expect(() => parse({ architectures: ["LongformerModel"] })).toThrow(
      'model_type must be one of "bert", "roberta", "distilbert", "electra", "albert", "camembert", "xlm-roberta", "mpnet", "modernbert", "nomic_bert", "gte", "eurobert", "ernie"; found "LongformerModel"',
    );
    expect(parse({ architectures: ["RobertaModel"] }).model_type).toBe("roberta");
    expect(parse({}).model_type).toBe("bert");
  });

  it("a field under the name that the architecture has for it", () => {
    const distilbert = {
      model_type: "distilbert",
      vocab_size: 22,
      dim: 16,
      n_layers: 2,
      n_heads: 2,
      hidden_dim: 32,
      max_position_embeddings: 40,
    };
    const read = (fields: object) => parseConfig("config.json", { ...distilbert, ...fields });
    expect(read({})).toMatchObject({ hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32 });
    const written = JSON.parse(configText({ ...read({}), num_hidden_layers: 1 }));
    expect(written).toMatchObject({ dim: 16, n_layers: 1, architectures: ["DistilBertModel"] });
    expect(written).not.toHaveProperty("hidden_size");
    expect(() => read({ dim: 15 })).toThrow("n_heads must be a divisor of dim 15");
    expect(JSON.parse(configText(read({})))).toMatchObject({ activation: "gelu" });
    expect(JSON.parse(configText(read({ activation: "relu" })))).toMatchObject({ activation: "relu" });
    expect(() => read({ activation: "relu6" })).toThrow('activation must be one of "gelu", "gelu_python", "gelu_new"');
    // The table of positions is in the checkpoint, whatever it began as.
    expect(read({ sinusoidal_pos_embds: true })).toMatchObject({ hidden_size: 16 });
  });

  it("an MPNet's and a ModernBERT's other attention", () => {
    const mpnet = (fields: object) => parse({ model_type: "mpnet", ...fields });
    expect(longestSentence(mpnet({}))).toBe(38);
    expect(() => mpnet({ relative_attention_num_buckets: 64 })).toThrow("relative_attention_num_buckets must be 32");
    const modern = (fields: object) => parse({ model_type: "modernbert", pad_token_id: 0, num_attention_heads: 2, ...fields });
    expect(() => modern({ num_attention_heads: 4 })).toThrow(
      "num_attention_heads must be a divisor of hidden_size with heads of a multiple of 8",
    );
    expect(() => modern({ local_attention: 0 })).toThrow("local_attention must be a whole number from 1");
    // transformers 5: one side's tokens, from which local_attention is set.
    expect(modern({ local_attention: 16, sliding_window: 8 })).toMatchObject({ local_attention: 16 });
    expect(modern({ local_attention: 7, sliding_window: 3 })).toMatchObject({ local_attention: 7 });
    expect(() => modern({ local_attention: 16, sliding_window: 16 })).toThrow("sliding_window must be half of local_attention");
    expect(() => modern({ layer_types: ["full_attention"] })).toThrow(
      'layer_types must be "full_attention" or "sliding_attention" for each layer',
    );
    expect(() => modern({ norm_bias: true })).toThrow("norm_bias must be false");
    expect(() => modern({ rope_scaling: { type: "linear", factor: 2 } })).toThrow("rope_scaling must be absent");
    for (const rope of [{ rope_type: "yarn", rope_theta: 10_000 }, { type: "dynamic", factor: 2 }, { rope_theta: -1 }]) {
      expect(() => modern({ rope_parameters: { full_attention: rope } })).toThrow("rope_parameters must be for full_attention");
    }
  });

  it("a Nomic BERT's other forms", () => {
    // As published: transformers' names beside those of the first implementation, whose n_positions counts.
    const { hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, max_position_embeddings, ...rest } = minimal;
    const first = {
      n_embd: hidden_size,
      n_layer: num_hidden_layers,
      n_head: num_attention_heads,
      n_inner: intermediate_size,
      n_positions: 80,
    };
    const nomic = (fields: object) =>
      parseConfig("config.json", {
        ...rest,
        ...first,
        model_type: "nomic_bert",
        layer_norm_epsilon: 1e-5,
        rotary_emb_base: 500,
        ...fields,
      });
    const sizes = { hidden_size, num_hidden_layers, num_attention_heads, intermediate_size };
    const rope_parameters = { rope_type: "default", rope_theta: 500 };
    expect(nomic({})).toMatchObject({ ...sizes, max_position_embeddings: 80, layer_norm_eps: 1e-5, rope_parameters });
    expect(nomic({ max_position_embeddings })).toMatchObject({ max_position_embeddings: 80 });
    const written = configText(nomic({ auto_map: {}, resid_pdrop: 0 }));
    expect(written).not.toMatch(/n_embd|auto_map/);
    expect(written).toContain('"hidden_dropout_prob": 0.0,');
    // transformers' name of the base, from before it was one of rope_parameters.
    expect(nomic({ rope_theta: 77 })).toMatchObject({ rope_parameters: { rope_theta: 77 } });
    const scaling = { rope_scaling: { type: "linear", factor: 2 } };
    for (const [field, value] of Object.entries({
      ...scaling,
      prenorm: true,
      moe_every_n_layers: 2,
      rotary_scaling_factor: 2,
      head_dim: 4,
    }))
      expect(() => nomic({ [field]: value })).toThrow(`config.json: ${field} must be`);
  });

  it("a GTE's other rotations", () => {
    const gte = (fields: object) => parse({ pad_token_id: 0, ...fields });
    const named = { model_type: "new", rope_theta: 500, position_embedding_type: "rope", type_vocab_size: 0 };
    expect(gte(named)).toMatchObject({ model_type: "gte", rope_parameters: { rope_type: "default", rope_theta: 500 } });
    // Heads of 8: the angles are divided by 16^(2/8).
    const scaled = { rope_type: "linear", rope_theta: 8000, factor: 2 };
    expect(gte({ ...named, rope_scaling: { type: "ntk", factor: 16 } })).toMatchObject({ rope_parameters: scaled });
    expect(() => gte({ ...named, rope_scaling: { type: "dynamic", factor: 2 } })).toThrow("rope_scaling must be");
    expect(() => gte({ model_type: "gte", rope_parameters: { rope_type: "yarn", factor: 2 } })).toThrow(
      "rope_parameters must be a rope_theta",
    );
    expect(() => gte({ model_type: "gte", position_embedding_type: "absolute" })).toThrow('position_embedding_type must be "rope"');
  });

  it("a ModernBERT's student that would give a layer another reach or norm", () => {
    const config = parse({ model_type: "modernbert", pad_token_id: 0, num_attention_heads: 2, num_hidden_layers: 7 });
    // transformers takes no whole number for it.
    expect(configText({ ...config, ...{ initializer_cutoff_factor: 2, norm_eps: 0 } })).toMatch(
      /"norm_eps": 0\.0,.*"initializer_cutoff_factor": 2\.0,/s,
    );
    const { withLayers } = architectureOf(config);
    expect(withLayers!(config, [0, 2, 3, 6])).toEqual({
      layer_types: ["full_attention", "sliding_attention", "full_attention", "full_attention"],
    });
    expect(() => withLayers!(config, [3, 0])).toThrow("The first layer of a student of a ModernBERT is layer 0, found 3.");
  });

  it("an ALBERT's layers that are not one", () => {
    const albert = (fields: object) => parse({ model_type: "albert", ...fields });
    // As published: GELU by tanh, and no dropout.
    expect(albert({})).toMatchObject({ embedding_size: 128, hidden_act: "gelu_new", hidden_dropout_prob: 0 });
    expect(
      ["bert", "gte", "albert", "modernbert", "eurobert"].map((model_type) => hasDropout(parse({ model_type, pad_token_id: 0 }))),
    ).toEqual([true, true, false, false, false]);
    expect(hasDropout(albert({ attention_probs_dropout_prob: 0.1 }))).toBe(true);
    expect(() => albert({ num_hidden_groups: 2 })).toThrow("num_hidden_groups must be 1: other values are not supported; found 2");
    expect(() => albert({ inner_group_num: 2 })).toThrow("inner_group_num must be 1");
  });

  it("a EuroBERT's heads, rotations and head for masked words", () => {
    const eurobert = (fields: object) =>
      parse({ model_type: "eurobert", pad_token_id: 0, hidden_size: 32, num_attention_heads: 4, ...fields });
    // As published, before transformers had it.
    expect(eurobert({ rope_theta: 250_000, rope_scaling: null, auto_map: {} })).toMatchObject({
      num_key_value_heads: null,
      rope_parameters: { rope_type: "default", rope_theta: 250_000 },
      tie_word_embeddings: false,
    });
    expect(configText(eurobert({ rms_norm_eps: 1, auto_map: {} }))).toMatch(/"rms_norm_eps": 1\.0,/);
    expect(configText(eurobert({ auto_map: {} }))).not.toContain("auto_map");
    expect(() => eurobert({ num_key_value_heads: 3 })).toThrow("num_key_value_heads must be a divisor of num_attention_heads; found 3");
    expect(() => eurobert({ head_dim: 16 })).toThrow("head_dim must be hidden_size / num_attention_heads");
    expect(() => eurobert({ rope_scaling: { type: "linear", factor: 2 } })).toThrow("rope_scaling must be null");
    expect(() => eurobert({ mlp_bias: true })).toThrow("mlp_bias must be false");
    expect(() => eurobert({ tie_word_embeddings: "no" })).toThrow("tie_word_embeddings must be true or false");
  });

  it("an ERNIE's types of tasks", () => {
    const ernie = (fields: object) => parse({ model_type: "ernie", ...fields });
    expect(ernie({})).toMatchObject({ use_task_id: false, task_type_vocab_size: 3, type_vocab_size: 2 });
    expect(() => ernie({ use_task_id: 1 })).toThrow("use_task_id must be true or false; found 1");
    expect(() => ernie({ use_task_id: true, task_type_vocab_size: 0 })).toThrow("task_type_vocab_size must be a whole number from 1");
    const tables = (fields: object) =>
      [...namedPieces(new Modules(ernie(fields), { mlp: false })).keys()].filter((name) => name.includes("task"));
    expect(tables({})).toEqual([]);
    expect(tables({ use_task_id: true })).toEqual(["ernie.embeddings.task_type_embeddings.weight"]);
  });

  it("no padding token where positions begin after it", () => {
    for (const pad_token_id of [null, -2, 22]) {
      expect(() => parse({ model_type: "roberta", pad_token_id })).toThrow(
        "pad_token_id must be the id of a token, below vocab_size, or -1",
      );
    }
    expect(longestSentence(parse({ model_type: "roberta", pad_token_id: -1 }))).toBe(40);
  });

  it("too few positions for a sentence", () => {
    expect(() => parse({ model_type: "roberta", max_position_embeddings: 4 })).toThrow("max_position_embeddings must be at least 5");
  });
});

describe("what leaves the computation as it is", () => {
  it.each<[string, object]>([
    ["defaults that are written down", { is_decoder: false, position_embedding_type: "absolute", pruned_heads: {}, hidden_act: "gelu" }],
    ["another name of the exact GELU", { hidden_act: "gelu_python" }],
    ["one type of token", { type_vocab_size: 1 }],
    ["fields that no computation needs", { use_cache: true, classifier_dropout: null, id2label: { 0: "a" } }],
    ["no padding token", { pad_token_id: null }],
    ["a padding token counted from the end", { pad_token_id: -1 }],
    ["norms without an epsilon, and fresh weights of zeros", { layer_norm_eps: 0, initializer_range: 0 }],
  ])("is taken: %s", (_, fields) => {
    expect(parse(fields)).toMatchObject(minimal);
  });

  it.each(["distilbert", "mpnet"])("is taken: types of tokens in a %s, which has none", (model_type) => {
    const config = parse({ model_type, dim: 16, n_layers: 2, n_heads: 2, hidden_dim: 32, type_vocab_size: 0 });
    const names = [...namedPieces(architectureOf(config).create(config, () => null)).keys()];
    expect(names.filter((name) => name.startsWith("embeddings.")).map((name) => name.split(".")[1])).toEqual([
      "word_embeddings",
      "position_embeddings",
      "LayerNorm",
      "LayerNorm",
    ]);
  });

  it("has as many tokens as positions, less the two that RoBERTa's padding takes", () => {
    expect(longestSentence(parse({}))).toBe(40);
    expect(longestSentence(parse({ model_type: "roberta" }))).toBe(38);
    expect(longestSentence(parse({ model_type: "roberta", pad_token_id: 3 }))).toBe(36);
  });
});
