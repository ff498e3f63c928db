/** A number that the visitor can change. What it is called elsewhere is in its tooltip. */

interface NumberFieldProps {
  readonly label: string;
  /** Hugging Face's name of the setting. */
  readonly name: string;
  readonly value: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly step?: number | "any" | undefined;
  readonly disabled: boolean;
  readonly onChange: (value: number) => void;
}

export function NumberField({ label, name, value, min, max, step = 1, disabled, onChange }: NumberFieldProps) {
  return (
    <label class="field" title={name}>
      <span>{label}</span>
      <input
        type="number"
        name={name}
        value={value}
        min={min}
        max={max}
        step={step}
        required
        disabled={disabled}
        onChange={(event) => {
          const input = event.currentTarget;
          if (input.reportValidity()) onChange(input.valueAsNumber);
        }}
      />
    </label>
  );
}
