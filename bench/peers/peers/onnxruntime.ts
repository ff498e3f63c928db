/**
 * ONNX Runtime in four forms: onnxruntime-web on WebAssembly and on WebGPU, onnxruntime-node on the CPU and on WebGPU (through its own Dawn,
 * so its calls cannot be counted). It supports inference but not training. Inputs and outputs are on the CPU, as in most applications.
 */
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-common";
import { onnxFile } from "../model-folder.ts";
import { kernelModel } from "../onnx-model.ts";
import type { GpuCalls, Kernel, OpenPeer } from "../peer.ts";
import { batchSize, operands, sentences, tokensPerSentence } from "../work.ts";

interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: typeof Tensor;
  readonly version: string;
  readonly calls?: GpuCalls;
}

const threads = cpus().length;

export type Form = "web, wasm" | "web, WebGPU" | "native, CPU" | "native, WebGPU";

/** The package of each form, and its execution provider. */
const forms: Record<Form, { readonly provider: "wasm" | "webgpu" | "cpu"; readonly load: () => Promise<Runtime> }> = {
  "web, wasm": {
    provider: "wasm",
    async load() {
      const ort = await import("onnxruntime-web");
      ort.env.wasm.numThreads = threads;
      return { ...ort, version: `${ort.env.versions.web}, ${threads} threads` };
    },
  },
  "web, WebGPU": {
    provider: "webgpu",
    async load() {
      const { acceptSharedMemory, countGpuCalls, installWebgpu } = await import("../webgpu-node.ts");
      installWebgpu();
      const calls = countGpuCalls();
      acceptSharedMemory();
      // The build for browsers, since the package's build for Node has no WebGPU.
      const ort = await import("onnxruntime-web/all");
      ort.env.wasm.numThreads = 1;
      return { ...ort, version: `${ort.env.versions.web}`, calls };
    },
  },
  "native, CPU": { provider: "cpu", load: loadNative },
  "native, WebGPU": { provider: "webgpu", load: loadNative },
};

async function loadNative(): Promise<Runtime> {
  const ort = await import("onnxruntime-node");
  return { ...ort, version: `${ort.env.versions.node}, ${threads} threads` };
}

export async function open(form: Form, folder: string): Promise<OpenPeer> {
  const { provider, load } = forms[form];
  const { InferenceSession, Tensor, version, calls } = await load();
  const session = (model: Uint8Array) =>
    InferenceSession.create(model, { executionProviders: [provider], graphOptimizationLevel: "all", intraOpNumThreads: threads });

  return {
    version,
    ...(calls ? { calls } : {}),
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
