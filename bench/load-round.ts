/**
 * One load of a checkpoint, in a process of its own, because a process that has loaded one before uses its memory again: prints a `Load` as JSON.
 *
 *     load-round FOLDER
 */
import { readJson } from "../src/io/folder.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { inspectWeights, loadWeights, readConfig } from "../src/simcse/checkpoint/checkpoint.ts";
import { EncoderProgram } from "../src/simcse/embedding/encoder-program.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";

export interface Load {
  /** From the file to the GPU, and of these the seconds until its tensors were known. */
  readonly seconds: number;
  readonly opening: number;
  /** Peak growth of the process's memory beyond the GPU's copy. */
  readonly extraBytes: number;
  /** The largest difference of an element between the model's vectors and PyTorch's. */
  readonly difference: number;
}

interface Vectors {
  readonly sentences: readonly (readonly number[])[];
  readonly vectors: readonly (readonly number[])[];
}

const [path = ""] = process.argv.slice(2);
await using device = await openAdapter();
const folder = await openFolder(path);
const config = await readConfig(folder);
const memory = watchMemory();
const start = performance.now();
const model = await SimCseModel.allocate(device, config.transformer, { training: false, mlp: true });
const { weights } = await inspectWeights(config);
const opened = performance.now();
await loadWeights(model, weights!, { head: "checkpoint" });
await device.finish();
const seconds = (performance.now() - start) / 1000;
// On a software adapter the GPU's copy lies in the process's memory.
const extraBytes = memory.stop() - (device.capabilities.software ? model.store.bytes : 0);
const difference = await compare(model, await readJson<Vectors>(folder, "vectors.json"));
const load: Load = { seconds, opening: (opened - start) / 1000, extraBytes, difference };
process.stdout.write(JSON.stringify(load));
model.close();

/** Peak growth of the process's memory in bytes, sampled every other millisecond. */
function watchMemory(): { stop: () => number } {
  const before = process.memoryUsage.rss();
  let peak = before;
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(sample, 2);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
      return peak - before;
    },
  };
}

/** The largest difference of an element between the model's vectors and PyTorch's. */
async function compare(model: SimCseModel, { sentences, vectors }: Vectors): Promise<number> {
  const size = {
    sentences: sentences.length,
    tokens: sentences.flat().length,
    longest: Math.max(...sentences.map(({ length }) => length)),
  };
  const encoder = await EncoderProgram.compile(model, "cls", { ...size, normalize: false });
  const read = await encoder.submit(sentences.map((ids) => ({ ids, promptTokens: 0 })));
  const found = await read();
  encoder.close();
  return Math.max(...vectors.flat().map((value, i) => Math.abs(value - found[i]!)));
}
