/**
 * A model's adapters alone, in the format of PEFT: `PeftModel.from_pretrained(AutoModel.from_pretrained(base), folder)` opens them. The MLP
 * of the pooler, which is trained with them, is one of PEFT's `modules_to_save`, if the class has a pooler; otherwise PEFT leaves it out.
 */
import { OptionError } from "../../errors.ts";
import type { NamedContent } from "../../io/folder.ts";
import { encodeSafetensors, f32Tensor } from "../../io/weights/safetensors.ts";
import { architectureOf } from "../../nn/architectures/architectures.ts";
import { isAdapter } from "../../nn/lora.ts";
import type { SimCseModel } from "../model/model.ts";
import { checkpointName } from "./checkpoint-names.ts";

/** PEFT's prefix of every tensor. */
const prefix = "base_model.model.";

/** A head that is trained with the adapters: the only one that a plain BERT has. */
const isPooler = (name: string) => name.startsWith("mlp.");

/**
 * The two files, to be written in this order. `base` is the name or path of the model that the adapters belong to. Throws `OptionError` for
 * a model without adapters.
 */
export function adapterFiles(model: SimCseModel, base: string): NamedContent[] {
  const { store, trained } = model;
  const lora = trained?.lora;
  if (!lora) throw new OptionError("The model has no adapters.", "Train it with `loraRank`; they stay until it is trained in another way.");
  const saved = [...store.pieces].filter(([name]) => isAdapter(name) || isPooler(name));
  const config = {
    peft_type: "LORA",
    task_type: "FEATURE_EXTRACTION",
    base_model_name_or_path: base,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    // Each layer by its whole name: a short one such as output.dense would also mean attention.output.dense.
    target_modules: saved.flatMap(([name]) =>
      name.endsWith(".lora_A.weight") ? [checkpointName(model.config, name).replace(/\.lora_A\.weight$/, "")] : [],
    ),
    modules_to_save: architectureOf(model.config).hasPooler !== false && saved.some(([name]) => isPooler(name)) ? ["pooler"] : null,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
  };
  const tensors = saved.map(([name, { shape }]) => f32Tensor(prefix + checkpointName(model.config, name), shape, () => store.read(name)));
  return [
    { name: "adapter_config.json", content: `${JSON.stringify(config, null, 2)}\n` },
    { name: "adapter_model.safetensors", content: encodeSafetensors(tensors) },
  ];
}
