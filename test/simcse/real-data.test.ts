/**
 * The fifth layer: real Wikipedia sentences and STS pairs through the whole package. A model that is far too small to be good is trained, evaluated, saved and
 * loaded, and must then have exactly the same score.
 */
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFolder, writeFolderAtomically } from "../../src/io/folder-node.ts";
import { readSentences } from "../../src/io/text.ts";
import { loadTokenizer } from "../../src/io/tokenizer.ts";
import { parseConfig } from "../../src/nn/architectures/architectures.ts";
import { modelFiles } from "../../src/simcse/checkpoint/checkpoint.ts";
import { evaluateSts } from "../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { scoresOf } from "../../src/simcse/evaluation/senteval/score-tasks.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import { SimCSE } from "../../src/simcse/simcse.ts";
import { train } from "../../src/simcse/training/trainer.ts";
import { trainingDefaults } from "../../src/simcse/training/training-options.ts";
import { exampleSet } from "../../src/simcse/training/training-set.ts";
import { openTestDevice } from "../device.ts";
import { describeWithSharedData } from "../shared-data.ts";
import { temporaryFolder } from "../tiny-model.ts";
import { stsTask } from "./evaluation/senteval/senteval-files.ts";

const device = await openTestDevice();
const saved = join(await temporaryFolder(), "model");

describeWithSharedData("training on Wikipedia, evaluated on SICK-R", (data) => {
  it("scores the same before saving and after loading", async () => {
    const tokenizer = await loadTokenizer(await openFolder(join(data, "tokenizers/bert-base-uncased")));
    const config = parseConfig("test", {
      vocab_size: tokenizer.vocabSize,
      hidden_size: 32,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 64,
      max_position_embeddings: 128,
    });
    const sentences: string[] = [];
    for await (const sentence of readSentences(await openFolder(join(data, "train")), "wiki100k_sentences.txt")) {
      sentences.push(sentence);
      if (sentences.length === 2000) break;
    }
    const model = await SimCseModel.allocate(device, config, { training: true, mlp: false });
    model.store.initialize(1);
    const folder = await openFolder(join(data, "senteval"));
    const evaluate = async (encode: (sentences: string[]) => Promise<Float32Array>) => {
      const { tasks } = await evaluateSts({ encode, folder, mode: "dev", tasks: [stsTask("SICKRelatedness")] });
      return { eval_sickr_spearman: scoresOf(tasks, "SICKRelatedness")!.spearman.all };
    };
    let score = Number.NaN;
    const settings = {
      ...trainingDefaults,
      maxSteps: 10,
      batchSize: 16,
      learningRate: 1e-3,
      pooler: "avg",
      evalSteps: 10,
      metric: "sickr_spearman",
    } as const;
    await train({
      model,
      tokenizer,
      set: exampleSet(sentences, tokenizer, settings.maxLength),
      settings,
      hooks: {
        evaluate,
        onEvaluate: (entry) => {
          score = entry.eval_sickr_spearman!;
        },
      },
    });
    await writeFolderAtomically(saved, modelFiles(model, tokenizer, { pooler_type: "avg", max_seq_length: 32 }), { overwrite: false });
    model.close();
    await using loaded = await SimCSE.loadFrom(device, await openFolder(saved), { maxLength: 128, dtype: "f32" });
    expect(score).toBeGreaterThan(0.3); // Even a mean of random word vectors finds shared words.
    expect((await evaluate(async (texts) => (await loaded.encode(texts)).data)).eval_sickr_spearman).toBe(score);
  });
});
