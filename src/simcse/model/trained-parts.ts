/**
 * Which of a model's parameters a run trains: all of them, all but frozen parts, or low-rank adapters beside frozen weights. A part is the
 * embeddings, a layer of the encoder or the MLP of the pooler. Frozen parameters have no gradients and no moments, and the backward pass
 * ends above the lowest part that is trained.
 *
 * With adapters, the whole encoder is frozen and its layers have adapters, except for those that are frozen by name. The heads have none:
 * they are trained as they are.
 */
import { OptionError } from "../../errors.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { architectureOf, ownLayers } from "../../nn/architectures/architectures.ts";
import { isAdapter, type LoraOptions } from "../../nn/lora.ts";
import { show } from "../../show.ts";

/** Which parameters a run trains. */
export interface TrainedParts {
  /** The frozen parts: `embeddings`, layers by number or range, such as `3` or `0-5`, and `pooler`. */
  readonly freeze: readonly string[];
  /** The adapters of the encoder's layers; null if there are none. */
  readonly lora: LoraOptions | null;
}

/** What options say about it; everything is trained if they say nothing. */
export const trainedParts = ({ freeze = [], lora = null }: Partial<TrainedParts>): TrainedParts => ({ freeze, lora });

/** The parts with names of their own, and the prefixes of their tensors. */
function namedParts(config: TransformerConfig): Readonly<Record<string, readonly string[]>> {
  const { encoder, names } = architectureOf(config);
  return { embeddings: names.embeddings.map((prefix) => `${encoder}.${prefix}`), pooler: ["mlp."] };
}

/** A layer's number, or the first and the last of a range. */
const layers = /^(\d+)(?:-(\d+))?$/;

/**
 * Whether a tensor is trained, by its name; `names` are those of all tensors. Throws `OptionError` for a part that the model does not have,
 * and if nothing is left to train.
 */
export function trainedBy({ freeze, lora }: TrainedParts, names: readonly string[], config: TransformerConfig): (name: string) => boolean {
  const frozen = freeze.flatMap((part) => prefixesOf(part, names, config));
  const encoder = `${architectureOf(config).encoder}.`;
  const isTrained = (name: string) =>
    !frozen.some((prefix) => name.startsWith(prefix)) && (lora === null || isAdapter(name) || !name.startsWith(encoder));
  if (names.some(isTrained)) return isTrained;
  throw new OptionError(`\`freeze\` ${freeze.join(",")} leaves nothing to train.`, "Leave at least one layer out.");
}

/** The adapters of a layer: none in a frozen one, or in one whose number is not in the model. */
export function adaptersOf({ freeze, lora }: TrainedParts, layer: number): LoraOptions | null {
  return freeze.some((part) => rangeOf(part)?.includes(layer)) ? null : lora;
}

/** The numbers of the layers that a part names; null if it names none. */
function rangeOf(part: string): number[] | null {
  const [, first, last = first] = layers.exec(part) ?? [];
  return first === undefined ? null : Array.from({ length: Math.max(0, Number(last) - Number(first) + 1) }, (_, i) => Number(first) + i);
}

/** The prefixes of the tensors of a part. */
function prefixesOf(part: string, tensors: readonly string[], config: TransformerConfig): readonly string[] {
  const { encoder, names, sharesLayers = false } = architectureOf(config);
  const count = ownLayers(config);
  const isThere = (prefix: string) => tensors.some((tensor) => tensor.startsWith(prefix));
  const named = Object.entries(namedParts(config)).filter(([, prefixes]) => prefixes.some(isThere));
  const found = named.find(([name]) => name === part);
  if (found !== undefined) return found[1];
  const range = rangeOf(part) ?? [];
  if (range.length === 0 || range.at(-1)! >= count) {
    throw new OptionError(
      `The model has no part ${show(part)} to freeze.`,
      `It has ${named.map(([name]) => name).join(", ")} and ${sharesLayers ? "layer 0, whose parameters all layers share" : `the layers 0 to ${count - 1}, also as a range such as 0-${count - 1}`}.`,
    );
  }
  return range.map((layer) => `${encoder}.${names.layers}${layer}.`);
}
