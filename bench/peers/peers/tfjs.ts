/** TensorFlow.js on its WebGPU backend, in Node through Dawn: written in the style of its users, with variables and `optimizer.minimize`. */
import type * as Tfjs from "@tensorflow/tfjs";
import { transposed } from "../onnx-model.ts";
import type { Kernel, OpenPeer } from "../peer.ts";
import { countGpuCalls, installWebgpu } from "../webgpu-node.ts";
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

const { hidden_size: hidden, num_attention_heads: heads, num_hidden_layers: layers } = config;

export async function open(): Promise<OpenPeer> {
  installWebgpu();
  const calls = countGpuCalls();
  const tf = await import("@tensorflow/tfjs");
  await import("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  await tf.ready();
  if (tf.getBackend() !== "webgpu") throw new Error(`tfjs chose the backend ${tf.getBackend()}`);
  const model = modelOf(tf);

  return {
    version: tf.version["tfjs-core"],
    calls,
    async trainer(dropout) {
      const variables = loadVariables(tf);
      const optimizer = tf.train.adam(adam.learningRate, adam.beta1, adam.beta2, adam.epsilon);
      return {
        async step() {
          const loss = optimizer.minimize(() => model.loss(variables, dropout), true)!;
          const [value] = await loss.data();
          loss.dispose();
          return value!;
        },
      };
    },
    async encoder() {
      const variables = loadVariables(tf);
      return {
        async encode() {
          const embeddings = tf.tidy(() => model.embed(variables, ids(tf), 0));
          const data = (await embeddings.data()) as Float32Array;
          embeddings.dispose();
          return data;
        },
      };
    },
    async kernel(work) {
      const tensors = operands(work).map(({ shape, data }) => tf.tensor(data, [...shape]));
      const compute = () => tf.tidy(() => kernelsOf(tf)[work.op](tensors));
      let last = compute();
      return {
        async run(times) {
          for (let i = 0; i < times; i++) {
            last.dispose();
            last = compute();
          }
          // Reading one number waits for everything queued before it.
          const corner = tf.tidy(() => last.flatten().slice(0, 1));
          await corner.data();
          corner.dispose();
        },
        result: async () => (await last.data()) as Float32Array,
      } satisfies Kernel;
    },
  };
}

type Variables = ReadonlyMap<string, Tfjs.Variable>;

const ids = (tf: typeof Tfjs) => tf.tensor2d(flatSentences(), [batchSize, tokensPerSentence], "int32");

/** Matrices as [in, out], as in tfjs-layers; tables stay as they are. */
function loadVariables(tf: typeof Tfjs): Variables {
  return new Map(
    [...initialWeights()].map(([name, { shape, data }]) => {
      const weight = shape.length === 2 && !name.includes("embeddings") ? transposed(shape, data) : { shape, data };
      return [name, tf.variable(tf.tensor(weight.data, [...weight.shape]))];
    }),
  );
}

function layerNorm(tf: typeof Tfjs, x: Tfjs.Tensor, weight: Tfjs.Tensor, bias: Tfjs.Tensor): Tfjs.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(layerNormEpsilon).rsqrt()).mul(weight).add(bias);
}

const kernelsOf = (tf: typeof Tfjs): Record<KernelWork["op"], (operands: Tfjs.Tensor[]) => Tfjs.Tensor> => ({
  matmul: ([a, b]) => tf.matMul(a!, b!),
  layerNorm: ([x, weight, bias]) => layerNorm(tf, x!, weight!, bias!),
  softmax: ([x]) => tf.softmax(x!),
});

function modelOf(tf: typeof Tfjs) {
  const drop = (x: Tfjs.Tensor, rate: number) => (rate > 0 ? tf.dropout(x, rate) : x);

  /** f32 [sentences, hidden] of int32 ids [sentences, tokens]. */
  function embed(variables: Variables, ids: Tfjs.Tensor2D, rate: number): Tfjs.Tensor2D {
    const weight = (name: string) => variables.get(name)!;
    const linear = (x: Tfjs.Tensor, name: string) => tf.matMul(x, weight(`${name}.weight`)).add(weight(`${name}.bias`));
    const norm = (x: Tfjs.Tensor, name: string) => layerNorm(tf, x, weight(`${name}.weight`), weight(`${name}.bias`));
    const sentences = ids.shape[0];
    const rows = sentences * tokensPerSentence;

    const words = tf.gather(weight("bert.embeddings.word_embeddings.weight"), ids.flatten().toInt());
    const places = tf.slice(weight("bert.embeddings.position_embeddings.weight"), [0, 0], [tokensPerSentence, hidden]);
    const type = tf.slice(weight("bert.embeddings.token_type_embeddings.weight"), [0, 0], [1, hidden]);
    const summed = words.reshape([sentences, tokensPerSentence, hidden]).add(places.add(type));
    let x = drop(norm(summed.reshape([rows, hidden]), "bert.embeddings.LayerNorm"), rate);
    for (let i = 0; i < layers; i++) {
      const layer = `bert.encoder.layer.${i}`;
      const split = (name: string) =>
        linear(x, `${layer}.attention.self.${name}`)
          .reshape([sentences, tokensPerSentence, heads, hidden / heads])
          .transpose([0, 2, 1, 3]);
      const scores = tf.matMul(split("query"), split("key"), false, true).mul(1 / Math.sqrt(hidden / heads));
      const context = tf
        .matMul(drop(tf.softmax(scores), rate), split("value"))
        .transpose([0, 2, 1, 3])
        .reshape([rows, hidden]);
      const attended = norm(drop(linear(context, `${layer}.attention.output.dense`), rate).add(x), `${layer}.attention.output.LayerNorm`);
      const up = linear(attended, `${layer}.intermediate.dense`);
      const expanded = up.mul(0.5).mul(tf.erf(up.mul(Math.SQRT1_2)).add(1));
      x = norm(drop(linear(expanded, `${layer}.output.dense`), rate).add(attended), `${layer}.output.LayerNorm`);
    }
    const cls = x.reshape([sentences, tokensPerSentence, hidden]).slice([0, 0, 0], [sentences, 1, hidden]).reshape([sentences, hidden]);
    return tf.tanh(linear(cls, "mlp.dense")) as Tfjs.Tensor2D;
  }

  function loss(variables: Variables, rate: number): Tfjs.Scalar {
    const batch = ids(tf);
    const embeddings = embed(variables, tf.concat([batch, batch]), rate);
    const unit = embeddings.div(embeddings.square().sum(-1, true).sqrt());
    const [queries, keys] = tf.split(unit, 2) as [Tfjs.Tensor2D, Tfjs.Tensor2D];
    const logits = tf.matMul(queries, keys, false, true).div(temperature);
    return tf.logSoftmax(logits).mul(tf.eye(batchSize)).sum().div(-batchSize).asScalar();
  }

  return { embed, loss };
}
