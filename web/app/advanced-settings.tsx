/** The other settings, under one fold, with Hugging Face's names in their tooltips. */
import type { PlanFacts, RunSettings } from "../worker/protocol.ts";
import { NumberFields, type NumberRow } from "./number-fields.tsx";
import { change } from "./plan-change.ts";
import { device, isBusy, model } from "./store.ts";
import { chosenParts, trainedParts } from "./trained-parts.ts";

type FlagSetting = {
  readonly [Name in keyof RunSettings]-?: NonNullable<RunSettings[Name]> extends boolean ? Name : never;
}[keyof RunSettings];

interface FlagRow {
  readonly setting: FlagSetting;
  readonly name: string;
  readonly label: string;
  /** Whether the device must compute with 16-bit numbers. */
  readonly f16?: true;
}

const numbers: readonly NumberRow[] = [
  { setting: "temperature", name: "temp", label: "Temperature of the loss", min: 0, step: "any" },
  { setting: "warmupSteps", name: "warmup_steps", label: "Steps to warm up (below 1: a share)", min: 0, step: "any" },
  { setting: "weightDecay", name: "weight_decay", label: "Weight decay", min: 0, step: "any" },
  { setting: "hardNegativeWeight", name: "hard_negative_weight", label: "Weight of hard negatives (log)", min: -20, step: "any" },
  { setting: "gradientCacheChunk", name: "gradient_cache_chunk", label: "Rows worked through at a time (0: all)", min: 0 },
  { setting: "gradientAccumulationSteps", name: "gradient_accumulation_steps", label: "Batches in a step", min: 1 },
  { setting: "maxSteps", name: "max_steps", label: "Steps, whatever the times through (−1: by those)", min: -1 },
  { setting: "seed", name: "seed", label: "Seed of chance", min: 0 },
];

const flags: readonly FlagRow[] = [
  { setting: "gradientCheckpointing", name: "gradient_checkpointing", label: "Compute layers twice to save memory" },
  { setting: "fp16", name: "fp16", label: "Half precision: faster, less memory", f16: true },
  { setting: "noDuplicates", name: "no_duplicates", label: "No text twice in a step" },
  { setting: "symmetric", name: "symmetric", label: "Answers also look for their questions" },
  { setting: "mlm", name: "do_mlm", label: "Also guess hidden words" },
];

const schedules = ["linear", "cosine", "constant", "constant_with_warmup"] as const;

export function AdvancedSettings({ facts: { settings } }: { readonly facts: PlanFacts }) {
  const disabled = isBusy.value;
  const parts = trainedParts(model.value!.ownLayers);
  return (
    <details class="advanced">
      <summary>Advanced settings</summary>
      <div class="card fields">
        <NumberFields rows={numbers} settings={settings} disabled={disabled} />
        <label class="field" title="lr_scheduler_type">
          <span>How the rate changes</span>
          <select
            name="lr_scheduler_type"
            value={settings.scheduler}
            disabled={disabled}
            onChange={(event) => change({ scheduler: event.currentTarget.value as (typeof schedules)[number] })}
          >
            {schedules.map((name) => (
              <option key={name} value={name}>
                {name.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <label class="field" title="freeze, lora_rank">
          <span>What is trained</span>
          <select
            name="freeze"
            value={chosenParts(parts, settings).name}
            disabled={disabled}
            onChange={(event) => change(parts.find(({ name }) => name === event.currentTarget.value)!.changes)}
          >
            {parts.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        {flags.map(({ setting, name, label, f16 }) => (
          <label class="check" key={name} title={name}>
            <input
              type="checkbox"
              name={name}
              checked={settings[setting]}
              disabled={disabled || (f16 && !device.value?.f16)}
              onChange={(event) => change({ [setting]: event.currentTarget.checked })}
            />
            {label}
          </label>
        ))}
      </div>
    </details>
  );
}
