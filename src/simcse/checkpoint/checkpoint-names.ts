/** What a model's tensors are called in checkpoints: those that are read, in all the forms that there are, and those that are written. */
import { FormatError } from "../../errors.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { architectureOf } from "../../nn/architectures/architectures.ts";
import { quoted, show } from "../../show.ts";

/** The prefix of an encoder's tensors. */
const encoderPrefix = (config: TransformerConfig) => `${architectureOf(config).encoder}.`;

/** Whether a tensor belongs to the modules that a sentence-transformers folder lists after the transformer. */
export const isSentenceHead = (name: string) => name.startsWith("sentenceHead.steps.");

/** Whether a tensor belongs to the masked language model's head. Many checkpoints lack it; it is then fresh. */
export function isMaskedHead(config: TransformerConfig, name: string): boolean {
  return !name.startsWith(encoderPrefix(config)) && !name.startsWith("mlp.") && !isSentenceHead(name);
}

/** The name under which a tensor is saved. */
export function checkpointName(config: TransformerConfig, name: string): string {
  return withoutPrefix(name, encoderPrefix(config)).replace(/^mlp\.dense\b/, poolerName(config));
}

/** The pooler's linear layer, in whose place SimCSE's MLP is saved. */
const poolerName = (config: TransformerConfig) => architectureOf(config).pooler ?? "pooler.dense";

function withoutPrefix(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/** The names of LayerNorm's weight and bias in TensorFlow and in checkpoints converted from it. */
const legacy = (name: string) => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");

/** All names of a tensor in older and newer checkpoints, the usual one first. */
function aliases(config: TransformerConfig, name: string): string[] {
  if (isSentenceHead(name)) return [name];
  const names = isMaskedHead(config, name) ? maskedHeadNames(config, name) : encoderNames(config, name);
  return [...names, ...names.map(legacy)];
}

function maskedHeadNames(config: TransformerConfig, name: string): string[] {
  const older = architectureOf(config).maskedHead.olderName?.(name);
  return older === undefined ? [name] : [name, older];
}

function encoderNames(config: TransformerConfig, name: string): string[] {
  const prefix = encoderPrefix(config);
  const bare = withoutPrefix(name, prefix);
  const pooler = bare.replace(/^mlp\.dense\b/, poolerName(config));
  return [...(bare === pooler ? [] : [bare]), pooler, prefix + pooler];
}

/** What PyTorch's wrappers of inner modules put into names: torch.compile, FSDP and activation checkpointing. */
const innerWrappers = /\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/** PEFT's names of an adapter's matrices, and of a layer that has one. */
const adapterTensor = /\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|base_layer)\b/;

/** Finds tensors in a checkpoint by this package's names. */
export class CheckpointNames {
  /** The checkpoint's own names, by those without wrappers of inner modules. */
  readonly #names: ReadonlyMap<string, string>;
  readonly #config: TransformerConfig;
  /** A wrapper's prefix of each tensor's name: `module.`, `0.auto_model.`, `model.`. */
  readonly #wrapper: string;

  /** Throws `FormatError` where several encoders are in one checkpoint, or adapters that are not merged with their weights. */
  constructor(weights: Weights, config: TransformerConfig) {
    const adapter = [...weights.tensors.keys()].find((name) => adapterTensor.test(name));
    if (adapter !== undefined) {
      throw new FormatError(
        `${weights.path} holds adapters beside the weights, such as ${quoted(adapter)}; without them the vectors would be the base model's.`,
        "Merge them in Python (PEFT's merge_and_unload) and save the model.",
      );
    }
    this.#names = new Map(Array.from(weights.tensors.keys(), (name) => [name.replace(innerWrappers, ""), name]));
    const wrappers = new Set([...this.#names.keys()].flatMap((name) => wrapperOf(config, name) ?? []));
    if (wrappers.size > 1 && !wrappers.has("")) {
      throw new FormatError(
        `${weights.path} holds ${wrappers.size} encoders, under the prefixes ${show([...wrappers])}.`,
        "Save the tensors of one of them, without its prefix.",
      );
    }
    const wrapper = wrappers.has("") ? "" : ([...wrappers][0] ?? "");
    const { words } = architectureOf(config).names;
    const twice = [words, encoderPrefix(config) + words].map((name) => wrapper + name);
    if (twice.every((name) => this.#names.has(name))) {
      throw new FormatError(`${weights.path} holds two encoders: ${twice.join(" and ")}.`, "Save the tensors of one of them.");
    }
    this.#config = config;
    this.#wrapper = wrapper;
  }

  /** The checkpoint's name of a tensor, or null if it does not have the tensor. */
  find(name: string): string | null {
    return (
      aliases(this.#config, name)
        .map((alias) => this.#names.get(this.#wrapper + alias))
        .find((found) => found !== undefined) ?? null
    );
  }
}

/** What is before the name of the word embedding, which every encoder has, and before the encoder's own name; null for other tensors. */
function wrapperOf(config: TransformerConfig, name: string): string | null {
  const { words } = architectureOf(config).names;
  if (!name.endsWith(words)) return null;
  const before = name.slice(0, -words.length);
  const prefix = encoderPrefix(config);
  return before.endsWith(prefix) ? before.slice(0, -prefix.length) : before;
}
