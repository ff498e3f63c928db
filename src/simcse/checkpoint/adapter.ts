/**
 * A model's adapters alone, in the format of PEFT: `PeftModel.from_pretrained(AutoModel.from_pretrained(base), folder)` opens them. The MLP
 * of the pooler, which is trained with them, is one of PEFT's `modules_to_save`, if the class has a pooler; otherwise PEFT leaves it out.
 */
import { OptionError } from "../../errors.ts";
import type { NamedContent } from "../../io/folder.ts";
import { encodeSafetensors, f32Tensor } from "../../io/weights/safetensors.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
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
  const tensors = saved.flatMap(([name, { shape }]) => {
    const [rows, ...row] = shape as [number, ...number[]];
    const names = classNames(model.config, checkpointName(model.config, name));
    // Modules that are one matrix in the file share its A, and each has a part of B's rows.
    const count = name.endsWith(".lora_B.weight") ? rows / names.length : rows;
    return names.map((own, place) =>
      f32Tensor(prefix + own, [count, ...row], async () => {
        const values = await store.read(name);
        const size = (values.length / rows) * count;
        const begin = count === rows ? 0 : place * size;
        return values.slice(begin, begin + size);
      }),
    );
  });
  const config = {
    peft_type: "LORA",
    task_type: "FEATURE_EXTRACTION",
    base_model_name_or_path: base,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    // Each layer by its whole name: a short one such as output.dense would also mean attention.output.dense.
    target_modules: tensors.flatMap(({ name }) =>
      name.endsWith(".lora_A.weight") ? [name.slice(prefix.length, -".lora_A.weight".length)] : [],
    ),
    modules_to_save: architectureOf(model.config).hasPooler !== false && saved.some(([name]) => isPooler(name)) ? ["pooler"] : null,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
  };
  return [
    { name: "adapter_config.json", content: `${JSON.stringify(config, null, 2)}\n` },
    { name: "adapter_model.safetensors", content: encodeSafetensors(tensors) },
  ];
}

/** The names of an adapter's tensor in transformers' class: several where a matrix of the file is several modules there. */
function classNames(config: TransformerConfig, name: string): string[] {
  const { names, classModules } = architectureOf(config);
  const [, layer, module, part] = /^(\d+)\.(.*)(\.lora_[AB]\.weight)$/.exec(name.slice(names.layers.length)) ?? [];
  const modules = module === undefined ? undefined : classModules?.modules[module];
  return modules?.map((own) => `${classModules!.layers}${layer}.${own}${part}`) ?? [name];
}
