/** SimCSE's five poolers: how a sentence's vector is made from its tokens' (Gao et al. 2021, section 6.3, and the original's `Pooler`). */
import { OptionError } from "../../errors.ts";
import { cast } from "../../kernels/cast.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { tanh, weightedSum } from "../../kernels/pointwise/pointwise.ts";
import { pool } from "../../kernels/pool.ts";
import type { BatchValues, ReadRows } from "../../nn/architectures/architecture.ts";
import type { Linear } from "../../nn/linear.ts";
import { checkChoice } from "../../options.ts";

/** How a sentence's vector is made from its tokens', by the original's names (section 6.3 of the paper). */
export type PoolerType = "cls" | "cls_before_pooler" | "avg" | "avg_top2" | "avg_first_last";

/**
 * How a model's vectors are made: by one of the five poolers, or by the modules that its sentence-transformers folder lists after the
 * transformer.
 */
export type EncodingPooler = PoolerType | "sentence_transformers";

interface Pooler {
  /** What it reads of the last layer's output. */
  readonly rows: ReadRows;
  /** `hidden` contains the outputs of the embeddings and of each layer; the result is f32 [sentences, hidden_size]. */
  readonly pool: (hidden: readonly Value[], batch: BatchValues, mlp: Linear | null) => Value;
}

const meanOf = (...layers: readonly [number, number]): Pooler => ({
  rows: "all",
  pool: (hidden, batch) => pool(weightedSum(hidden.at(layers[0])!, hidden.at(layers[1])!, 0.5, 0.5), batch, "mean"),
});

/** f32 [sentences, width]: the first rows of the last layer's output, which may have no others. */
export function firstOf(last: Value, batch: BatchValues): Value {
  return last.shape[0] === batch.sentences.shape[0] ? cast(last, "f32") : pool(last, batch, "first");
}

const poolers: Record<PoolerType, Pooler> = {
  cls: {
    rows: "first",
    pool(hidden, batch, mlp) {
      if (mlp === null) {
        throw new OptionError("The pooler cls needs an MLP and the model has none.", "Use cls_before_pooler, or avg.");
      }
      return tanh(mlp.forward(firstOf(hidden.at(-1)!, batch)));
    },
  },
  cls_before_pooler: { rows: "first", pool: (hidden, batch) => firstOf(hidden.at(-1)!, batch) },
  avg: { rows: "all", pool: (hidden, batch) => pool(hidden.at(-1)!, batch, "mean") },
  avg_top2: meanOf(-1, -2),
  avg_first_last: meanOf(1, -1),
};

/** The names of all poolers. */
export const poolerTypes = Object.keys(poolers) as readonly PoolerType[];

/** Throws `OptionError` unless `name` is one of the five. */
export function parsePooler(name: string): PoolerType {
  checkChoice("pooler", name, poolerTypes);
  return name;
}

/** What a pooler reads of the last layer's output. */
export const rowsReadBy = (type: PoolerType): ReadRows => poolers[type].rows;

/**
 * Pools a batch's hidden states, as `Transformer.forward` returns them, into f32 [sentences, hidden_size]. Of the last one it needs only the
 * rows that `rowsReadBy` states.
 */
export function poolSentences(type: PoolerType, hidden: readonly Value[], batch: BatchValues, mlp: Linear | null): Value {
  return poolers[type].pool(hidden, batch, mlp);
}
