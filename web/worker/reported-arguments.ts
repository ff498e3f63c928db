/** A run's settings as its card and report name them: by Hugging Face's names, as the command line does. */
import type { TrainingSettings } from "simcse-webgpu/browser";

/** Names that are not the setting's own in snake case. */
const names: Partial<Record<keyof TrainingSettings, string>> = {
  epochs: "num_train_epochs",
  batchSize: "per_device_train_batch_size",
  dropLast: "dataloader_drop_last",
  scheduler: "lr_scheduler_type",
  maxLength: "max_seq_length",
  temperature: "temp",
  pooler: "pooler_type",
  labelSmoothing: "label_smoothing_factor",
  mlm: "do_mlm",
};

const snakeCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export function reportedArguments(
  settings: TrainingSettings,
  { model, data }: { readonly model: string; readonly data: string },
): Readonly<Record<string, unknown>> {
  const own = Object.entries(settings).map(([name, value]) => [names[name as keyof TrainingSettings] ?? snakeCase(name), value] as const);
  return { model_name_or_path: model, train_file: data, ...Object.fromEntries(own) };
}
