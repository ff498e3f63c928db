/** Settings that are numbers, with Hugging Face's names in their tooltips. */
import type { RunSettings, TrainingSettings } from "../worker/protocol.ts";
import { change } from "./plan-change.ts";

type NumberSetting = {
  readonly [Name in keyof RunSettings]-?: Exclude<RunSettings[Name], undefined> extends number ? Name : never;
}[keyof RunSettings];

export interface NumberRow {
  readonly setting: NumberSetting;
  /** Hugging Face's name of the setting. */
  readonly name: string;
  readonly label: string;
  readonly min: number;
  readonly max?: number;
  /** `any` for numbers that need not be whole. */
  readonly step?: "any";
  /** Whether other settings leave it without effect. */
  readonly isIdle?: boolean;
}

interface NumberFieldsProps {
  readonly rows: readonly NumberRow[];
  readonly settings: TrainingSettings;
  readonly disabled: boolean;
}

export function NumberFields({ rows, settings, disabled }: NumberFieldsProps) {
  return rows.map(({ setting, name, label, min, max, step, isIdle = false }) => (
    <label class="field" title={name} key={name}>
      <span>{label}</span>
      <input
        type="number"
        name={name}
        value={settings[setting]}
        min={min}
        max={max}
        step={step}
        required
        disabled={disabled || isIdle}
        onChange={({ currentTarget: input }) => {
          if (input.reportValidity()) void change({ [setting]: input.valueAsNumber });
        }}
      />
    </label>
  ));
}
