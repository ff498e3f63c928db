/**
 * One load of a checkpoint, in a process of its own, because a process that has loaded one before uses its memory again: prints a `Load` as JSON.
 *
 *     load-round FOLDER
 */
import { compile } from "../src/autograd/program.ts";
import { readJson } from "../src/io/folder.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { inspectWeights, loadWeights, readConfig } from "../src/simcse/checkpoint/checkpoint.ts";
import { BatchPacker, declareBatch, tableSizes } from "../src/simcse/model/batch.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { poolSentences } from "../src/simcse/model/poolers.ts";
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
  const tokens = sentences.reduce((sum, { length }) => sum + length, 0);
  const capacity = { sentences: sentences.length, tokens, ...tableSizes(model.config) };
  const program = await compile(model.device, (tape) => {
    const batch = declareBatch(tape, capacity, { indices: false });
    return {
      vectors: poolSentences("cls", model.modules.transformer.forward(batch, { training: false, rows: "first" }), batch, model.mlp),
    };
  });
  const packed = new BatchPacker(capacity).pack(
    sentences.map((ids) => ({ ids, key: 0 })),
    { indices: false },
  );
  program.run(packed);
  const found = await program.read("vectors");
  program.close();
  return Math.max(...vectors.flat().map((value, i) => Math.abs(value - found[i]!)));
}
