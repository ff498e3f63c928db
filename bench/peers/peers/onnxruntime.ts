/**
 * ONNX Runtime in its three forms for JavaScript: compiled to WebAssembly (onnxruntime-web), native on the CPU and native on WebGPU (both
 * onnxruntime-node; its Dawn is its own, so its calls are not counted). It infers and does not train. Inputs and outputs are on the CPU, as its
 * users have them.
 */
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-common";
import { onnxFile } from "../model-folder.ts";
import { kernelModel } from "../onnx-model.ts";
import type { Kernel, OpenPeer } from "../peer.ts";
import { batchSize, operands, sentences, tokensPerSentence } from "../work.ts";

interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: typeof Tensor;
  readonly version: string;
}

const threads = cpus().length;

const runtimes: Record<"web" | "node", () => Promise<Runtime>> = {
  async web() {
    const ort = await import("onnxruntime-web");
    ort.env.wasm.numThreads = threads;
    return { ...ort, version: `onnxruntime-web ${ort.env.versions.web}` };
  },
  async node() {
    const ort = await import("onnxruntime-node");
    return { ...ort, version: `onnxruntime-node ${ort.env.versions.node}` };
  },
};

export async function open(runtime: "web" | "node", provider: "wasm" | "cpu" | "webgpu", folder: string): Promise<OpenPeer> {
  const { InferenceSession, Tensor, version } = await runtimes[runtime]();
  const session = (model: Uint8Array) =>
    InferenceSession.create(model, { executionProviders: [provider], graphOptimizationLevel: "all", intraOpNumThreads: threads });

  return {
    version: provider === "webgpu" ? version : `${version}, ${threads} threads`,
    async encoder() {
      const model = await session(await readFile(join(folder, onnxFile)));
      const ids = BigInt64Array.from(sentences().flat(), BigInt);
      return {
        async encode() {
          const results = await model.run({ input_ids: new Tensor("int64", ids, [batchSize, tokensPerSentence]) });
          return (results.sentence_embedding as TypedTensor<"float32">).data;
        },
      };
    },
    async kernel(work) {
      const model = await session(kernelModel(work));
      const [{ shape, data }] = operands(work) as [ReturnType<typeof operands>[number]];
      const x = new Tensor("float32", data, shape);
      let last = await model.run({ x });
      return {
        async run(times) {
          for (let i = 0; i < times; i++) last = await model.run({ x });
        },
        result: async () => (last.y as TypedTensor<"float32">).data,
      } satisfies Kernel;
    },
  };
}
