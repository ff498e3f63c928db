/** PyTorch on the CPU, eager, in a separate Python process (`pytorch.py`). */
import { join } from "node:path";
import { safetensorsFile } from "../model-folder.ts";
import type { OpenPeer } from "../peer.ts";
import { decodeFloats, PythonPeer } from "../python-peer.ts";
import { adam, config, sentences, temperature } from "../work.ts";
import { pythonKernel } from "./python-kernel.ts";

export async function open(folder: string): Promise<OpenPeer> {
  const shape = [config.hidden_size, config.num_hidden_layers, config.num_attention_heads];
  const { python, version } = await PythonPeer.start("pytorch.py", join(folder, safetensorsFile), ...shape.map(String));
  return {
    version,
    async trainer(dropout) {
      const { learningRate: rate, beta1, beta2, epsilon } = adam;
      await python.ask({ do: "train", ids: sentences(), dropout, temperature, rate, beta1, beta2, epsilon });
      return { step: async () => (await python.ask<{ loss: number }>({ do: "step" })).loss };
    },
    async encoder() {
      await python.ask({ do: "load", ids: sentences(), train: false });
      return { encode: async () => decodeFloats((await python.ask<{ embeddings: string }>({ do: "encode" })).embeddings) };
    },
    kernel: (work) => pythonKernel(python, work),
    peakMemory: async () => (await python.ask<{ bytes: number }>({ do: "peak" })).bytes,
  };
}
