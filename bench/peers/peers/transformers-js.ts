/** transformers.js on WebGPU, from a model folder on disk. It gets token ids, so that no tokenizer is timed. */
import { basename, dirname } from "node:path";
import type { OpenPeer } from "../peer.ts";
import { batchSize, sentences, tokensPerSentence } from "../work.ts";

export async function open(folder: string): Promise<OpenPeer> {
  const { AutoModel, env, Tensor } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  return {
    version: env.version,
    async encoder() {
      const model = await AutoModel.from_pretrained(basename(folder), { device: "webgpu", dtype: "fp32" });
      const ids = BigInt64Array.from(sentences().flat(), BigInt);
      return {
        async encode() {
          const { sentence_embedding } = await model({ input_ids: new Tensor("int64", ids, [batchSize, tokensPerSentence]) });
          return sentence_embedding.data as Float32Array;
        },
      };
    },
  };
}
