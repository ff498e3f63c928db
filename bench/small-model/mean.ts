/**
 * Writes a model whose weights are the mean of two models' (Wortsman et al. 2022, "Model soups"), one of which was trained on from the other:
 *
 *     npx tsx bench/small-model/mean.ts FIRST SECOND FOLDER
 *
 * All other files are those of SECOND.
 */
import { resolve } from "node:path";
import { Command } from "commander";
import { openFolder, writeFilesInto } from "../../src/io/folder-node.ts";
import { bytesOf } from "../../src/io/formats/bytes.ts";
import { encodeSafetensors } from "../../src/io/weights/safetensors.ts";
import { missingWeights, openWeights } from "../../src/io/weights.ts";
import { openConvertible, sentenceTransformersFiles } from "../../src/simcse/checkpoint/convert.ts";

const [first, second, folder] = new Command("mean")
  .argument("<first>", "a model")
  .argument("<second>", "the other one, whose other files are kept")
  .argument("<folder>", "where the model is written")
  .parse().args as [string, string, string];

const weightsOf = async (path: string) => {
  const model = await openFolder(resolve(path));
  const weights = await openWeights(model);
  if (weights === null) throw missingWeights(model);
  return weights;
};
const [from, to] = [await weightsOf(first), await weightsOf(second)];
const tensors = [...to.tensors].map(([name, { shape }]) => ({
  name,
  dtype: "F32" as const,
  shape,
  async data() {
    const [a, b] = [await from.readF32(name, shape), await to.readF32(name)];
    return bytesOf(b.map((value, i) => (a[i]! + value) / 2));
  },
}));
const layout = sentenceTransformersFiles(await openConvertible(await openFolder(resolve(second))), "F32");
const others = layout.filter(({ name }) => name !== "model.safetensors");
await writeFilesInto(resolve(folder), [...others, { name: "model.safetensors", content: encodeSafetensors(tensors) }]);
