/**
 * jax-js on its WebGPU backend, in Node through Dawn, and on its WebAssembly backend: the whole training step is one `jit`, as JAX users write it.
 * jax-js frees an array after as many uses as it has references, hence `.ref` at every use except the last.
 */
import { readFile } from "node:fs/promises";
import type * as Jax from "@jax-js/jax";
import { installNavigator } from "../navigator-node.ts";
import { transposed } from "../onnx-model.ts";
import type { Kernel, OpenPeer } from "../peer.ts";
import {
  adam,
  batchSize,
  config,
  flatSentences,
  initialWeights,
  type KernelWork,
  layerNormEpsilon,
  operands,
  temperature,
  tokensPerSentence,
} from "../work.ts";
import { installWorkers } from "../worker-node.ts";

const { hidden_size: hidden, num_attention_heads: heads, num_hidden_layers: layers } = config;

type Parameters = Record<string, Jax.Array>;

/** How each backend is set up in Node, and the calls that can be counted. */
const hosts: Record<"webgpu" | "wasm", () => Promise<Pick<OpenPeer, "calls">>> = {
  async webgpu() {
    const { countGpuCalls, installWebgpu } = await import("../webgpu-node.ts");
    installWebgpu();
    return { calls: countGpuCalls() };
  },
  async wasm() {
    // It uses as many workers as `navigator` names cores; without `Worker`, as in Node, none.
    installNavigator();
    installWorkers();
    return {};
  },
};

export async function open(backend: "webgpu" | "wasm"): Promise<OpenPeer> {
  const host = await hosts[backend]();
  const jax = await import("@jax-js/jax");
  const available = await jax.init(backend);
  if (!available.includes(backend)) throw new Error(`jax-js has no backend ${backend} here, only ${available.join(", ")}`);
  jax.defaultDevice(backend);
  const { numpy: np } = jax;
  const model = modelOf(jax);
  const ids = () => np.array(flatSentences(), { shape: [batchSize, tokensPerSentence], dtype: np.int32 });

  return {
    version: backend === "wasm" ? `${await version()}, ${navigator.hardwareConcurrency} threads` : await version(),
    ...host,
    async trainer(dropout) {
      let parameters = loadParameters(jax);
      let first = zerosLike(jax, parameters);
      let second = zerosLike(jax, parameters);
      const step = jax.jit(model.trainingStep(dropout));
      let update = 0;
      return {
        async step() {
          update++;
          const correction = np.array([1 / (1 - adam.beta1 ** update), 1 / (1 - adam.beta2 ** update)]);
          const key = jax.random.key(np.array(update, { dtype: np.uint32 }));
          const [loss, ...state] = step(parameters, first, second, ids(), key, correction);
          [parameters, first, second] = state;
          // Waits for one of the last arrays; waiting for each would cost a submit for each.
          await jax.blockUntilReady(jax.tree.leaves(second).at(-1)!);
          const [value] = await loss.data();
          return value!;
        },
      };
    },
    async encoder() {
      const parameters = loadParameters(jax);
      const embed = jax.jit((weights: Parameters, batch: Jax.Array) => model.embed(weights, batch));
      return { encode: async () => (await embed(jax.tree.ref(parameters), ids()).data()) as Float32Array };
    },
    async kernel(work) {
      const tensors = operands(work).map(({ shape, data }) => np.array(data, { shape: [...shape] }));
      const compute = jax.jit((...values: Jax.Array[]) => model.kernels[work.op](values));
      const run = () => compute(...tensors.map((tensor) => tensor.ref));
      let last = run();
      return {
        async run(times) {
          // All are kept until they are computed, because disposed arrays are never computed.
          const results = Array.from({ length: times }, run);
          await jax.blockUntilReady(results);
          last.dispose();
          last = results.pop()!;
          jax.tree.dispose(results);
        },
        result: async () => (await last.ref.data()) as Float32Array,
      } satisfies Kernel;
    },
  };
}

/** Matrices as [in, out], as in Flax; tables stay as they are. */
function loadParameters({ numpy: np }: typeof Jax): Parameters {
  return Object.fromEntries(
    [...initialWeights()].map(([name, { shape, data }]) => {
      const weight = shape.length === 2 && !name.includes("embeddings") ? transposed(shape, data) : { shape, data };
      return [name, np.array(weight.data, { shape: [...weight.shape] })];
    }),
  );
}

function zerosLike({ numpy: np }: typeof Jax, parameters: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).map(([name, { shape }]) => [name, np.zeros(shape)]));
}

function modelOf(jax: typeof Jax) {
  const { numpy: np, nn, lax, random } = jax;

  const layerNorm = (x: Jax.Array, weight: Jax.Array, bias: Jax.Array) => {
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    return centred
      .div(np.sqrt(variance.add(layerNormEpsilon)))
      .mul(weight)
      .add(bias);
  };

  /** f32 [sentences, hidden] of int32 ids [sentences, tokens]; with dropout if there is a key for each of its sites. */
  function embed(weights: Parameters, ids: Jax.Array, rate = 0, keys: Jax.Array[] = []): Jax.Array {
    const drop = (x: Jax.Array) => {
      const key = keys.shift();
      if (key === undefined) return x;
      return np.where(random.bernoulli(key, 1 - rate, x.shape), x.div(1 - rate), 0);
    };
    const weight = (name: string) => weights[name]!.ref;
    const linear = (x: Jax.Array, name: string) => np.matmul(x, weight(`${name}.weight`)).add(weight(`${name}.bias`));
    const norm = (x: Jax.Array, name: string) => layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`));
    const [sentences, tokens] = ids.shape as [number, number];

    const words = np.take(weight("bert.embeddings.word_embeddings.weight"), ids, 0);
    const places = weight("bert.embeddings.position_embeddings.weight").slice([0, tokens]);
    const type = weight("bert.embeddings.token_type_embeddings.weight").slice([0, 1]);
    let x = drop(norm(words.add(places.add(type)), "bert.embeddings.LayerNorm"));
    for (let i = 0; i < layers; i++) {
      const layer = `bert.encoder.layer.${i}`;
      const split = (name: string) =>
        np.transpose(linear(x.ref, `${layer}.attention.self.${name}`).reshape([sentences, tokens, heads, hidden / heads]), [0, 2, 1, 3]);
      const scores = np.matmul(split("query"), np.transpose(split("key"), [0, 1, 3, 2])).div(Math.sqrt(hidden / heads));
      const context = np.matmul(drop(nn.softmax(scores, -1)), split("value"));
      const merged = np.transpose(context, [0, 2, 1, 3]).reshape([sentences, tokens, hidden]);
      const attended = norm(drop(linear(merged, `${layer}.attention.output.dense`)).add(x), `${layer}.attention.output.LayerNorm`);
      const up = linear(attended.ref, `${layer}.intermediate.dense`);
      const expanded = up.ref.mul(0.5).mul(lax.erf(up.mul(Math.SQRT1_2)).add(1));
      x = norm(drop(linear(expanded, `${layer}.output.dense`)).add(attended), `${layer}.output.LayerNorm`);
    }
    const pooled = np.tanh(linear(x.slice([], 0), "mlp.dense"));
    jax.tree.dispose(weights);
    return pooled;
  }

  const lossOf = (rate: number) => (weights: Parameters, ids: Jax.Array, key: Jax.Array) => {
    const sites = rate > 0 ? 1 + 3 * layers : 0;
    const keys = sites > 0 ? np.split(random.split(key, sites), sites).map((one) => one.slice(0)) : [];
    if (sites === 0) key.dispose();
    const embeddings = embed(weights, np.concatenate([ids.ref, ids]), rate, keys);
    const unit = embeddings.ref.div(np.sqrt(np.sum(np.square(embeddings), -1, { keepdims: true })));
    const [queries, keysOf] = np.split(unit, 2) as [Jax.Array, Jax.Array];
    const logits = np.matmul(queries, np.transpose(keysOf)).div(temperature);
    return np.sum(nn.logSoftmax(logits, -1).mul(np.eye(batchSize))).div(-batchSize);
  };

  const trainingStep =
    (rate: number) =>
    (weights: Parameters, first: Parameters, second: Parameters, ids: Jax.Array, key: Jax.Array, correction: Jax.Array) => {
      const [loss, gradients] = jax.valueAndGrad(lossOf(rate))(jax.tree.ref(weights), ids, key) as unknown as [Jax.Array, Parameters];
      const next: [Parameters, Parameters, Parameters] = [{}, {}, {}];
      for (const [name, gradient] of Object.entries(gradients)) {
        const m = first[name]!.mul(adam.beta1).add(gradient.ref.mul(1 - adam.beta1));
        const v = second[name]!.mul(adam.beta2).add(np.square(gradient).mul(1 - adam.beta2));
        const denominator = np.sqrt(v.ref.mul(correction.ref.slice(1))).add(adam.epsilon);
        next[0][name] = weights[name]!.sub(m.ref.mul(correction.ref.slice(0)).div(denominator).mul(adam.learningRate));
        next[1][name] = m;
        next[2][name] = v;
      }
      correction.dispose();
      return [loss, ...next] as [Jax.Array, Parameters, Parameters, Parameters];
    };

  const kernels: Record<KernelWork["op"], (operands: Jax.Array[]) => Jax.Array> = {
    matmul: ([a, b]) => np.matmul(a!, b!),
    layerNorm: ([x, weight, bias]) => layerNorm(x!, weight!, bias!),
    softmax: ([x]) => nn.softmax(x!, -1),
  };

  return { embed, trainingStep, kernels };
}

/** The version of the installed package, which does not export it. */
async function version(): Promise<string> {
  const manifest = await readFile(new URL("../node_modules/@jax-js/jax/package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
