/** The number formats in which a model's weights are written, and a tensor's bytes in each of them. */
import { OptionError } from "../../errors.ts";
import { toHalves } from "../../float16.ts";
import { bytesOf } from "../../io/formats/bytes.ts";
import { checkFinite } from "../../io/weights/finite.ts";
import { roundRows, SCALE_SUFFIX } from "../../io/weights/int8-rows.ts";
import { f32Tensor, type TensorToWrite } from "../../io/weights/safetensors.ts";
import { checkChoice } from "../../options.ts";
import { quoted } from "../../show.ts";

/** F16 rounds weights to 11 bits. I8 rounds matrices to 8 bits, with a scale for each row, and keeps vectors in f32. */
export type WeightsDtype = "F32" | "F16" | "I8";

/** The file's name, and the dtype that config.json states. */
export const weightsForms: Readonly<Record<WeightsDtype, { readonly file: string; readonly torchDtype: string }>> = {
  F32: { file: "model.safetensors", torchDtype: "float32" },
  F16: { file: "model.safetensors", torchDtype: "float16" },
  I8: { file: "model.int8.safetensors", torchDtype: "float32" },
};

/** Throws `OptionError` unless the value is one of the three. */
export function checkWeightsDtype(dtype: WeightsDtype): void {
  checkChoice("dtype of weights", dtype, Object.keys(weightsForms));
}

/** A tensor to be written, from any source. */
export interface Floats {
  /** Its name in the new file. */
  readonly name: string;
  readonly shape: readonly number[];
  /** The file that it comes from and its name there, for messages. */
  readonly from: { readonly path: string; readonly source: string };
  /** Its elements in C order; called when they are written. */
  readonly values: () => Promise<Float32Array>;
}

/**
 * The tensors that a file in this format has for one tensor. While they are written, throws FormatError for a value that is not finite, and
 * OptionError for one that f16 cannot hold.
 */
export function tensorsToWrite(floats: Floats, dtype: WeightsDtype): TensorToWrite[] {
  const { name, shape } = floats;
  if (dtype === "F32") return [f32Tensor(name, shape, () => finite(floats))];
  if (dtype === "F16") return [{ name, dtype, shape, data: () => halves(floats) }];
  if (shape.length !== 2) return tensorsToWrite(floats, "F32");
  // Both are made of all values. They are read twice, because in the file the scales come first and one tensor at a time is in memory.
  const rounded = async () => roundRows(await finite(floats), shape[0]!);
  return [
    { name, dtype, shape, data: async () => bytesOf((await rounded()).data) },
    f32Tensor(name + SCALE_SUFFIX, [shape[0]!], async () => (await rounded()).scales),
  ];
}

async function finite({ from, values }: Floats): Promise<Float32Array> {
  const checked = await values();
  checkFinite(from, from.source, checked);
  return checked;
}

/** The first number that f16 rounds to infinity. */
const beyondHalves = 65_520;

async function halves(floats: Floats): Promise<Uint8Array> {
  const values = await finite(floats);
  const at = values.findIndex((value) => Math.abs(value) >= beyondHalves);
  if (at === -1) return bytesOf(toHalves(values));
  const { path, source } = floats.from;
  throw new OptionError(
    `${path}: element ${at} of tensor ${quoted(source)} is ${values[at]}, beyond the range of f16.`,
    "Convert without --dtype f16.",
  );
}
