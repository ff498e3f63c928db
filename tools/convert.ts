/** `simcse convert`: a checkpoint of any form into one that transformers, sentence-transformers or ONNX Runtime opens. */
import { Command, Option } from "commander";
import { OptionError } from "../src/errors.ts";
import type { NamedContent } from "../src/io/folder.ts";
import { writeFolderAtomically } from "../src/io/folder-node.ts";
import { type Convertible, huggingFaceFiles, openConvertible, sentenceTransformersFiles } from "../src/simcse/checkpoint/convert.ts";
import { onnxFiles } from "../src/simcse/checkpoint/convert-onnx.ts";
import type { WeightsDtype } from "../src/simcse/checkpoint/written-weights.ts";
import { type PoolerType, poolerTypes } from "../src/simcse/model/poolers.ts";
import { findModel, type ModelFlags, modelFlags, modelName } from "./cli/find-model.ts";
import { flag, wholeNumber, withOptions } from "./cli/options.ts";
import { say } from "./cli/say.ts";

/** The values of `--dtype`. */
const dtypes = { f32: "F32", f16: "F16", int8: "I8" } as const satisfies Readonly<Record<string, WeightsDtype>>;

interface ConvertOptions extends ModelFlags {
  readonly output_dir: string;
  readonly format: string;
  readonly dtype: keyof typeof dtypes;
  readonly pooler?: PoolerType;
  readonly max_seq_length?: number;
  readonly overwrite_output_dir?: boolean;
}

/** What each format's folder holds. */
const formats: Readonly<Record<string, (model: Convertible, dtype: WeightsDtype) => readonly NamedContent[]>> = {
  huggingface: huggingFaceFiles,
  "sentence-transformers": sentenceTransformersFiles,
  onnx: (model, dtype) => {
    if (dtype !== "I8") return onnxFiles(model, dtype);
    throw new OptionError("--format onnx is written in f32 or f16.", "Give --dtype f16; ONNX Runtime's own tools quantize to 8 bits.");
  },
};

const options: readonly Option[] = [
  ...modelFlags,
  new Option("--output_dir <dir>", "folder for the converted model").makeOptionMandatory(),
  new Option("--format <format>", "format of the converted model").choices(Object.keys(formats)).default("huggingface"),
  new Option("--dtype <dtype>", "number format of the weights; int8 rounds matrices to 8 bits, for this package only")
    .choices(Object.keys(dtypes))
    .default("f32"),
  new Option("--pooler <type>", "pooler to save with the model (default: the one in the checkpoint)").choices([...poolerTypes]),
  new Option("--max_seq_length <n>", "maximum length to save with the model (default: the one in the checkpoint, or 128)").argParser(
    wholeNumber(3),
  ),
  flag("overwrite_output_dir", "replace an output folder that is not empty"),
];

export const convertCommand = withOptions(
  new Command("convert").description(
    "convert a checkpoint: SimCSE's or PyTorch's to Hugging Face's safetensors, to sentence-transformers, or to ONNX",
  ),
  options,
).action(runConversion);

async function runConversion(given: ConvertOptions): Promise<void> {
  const model = await openConvertible(await findModel(modelName(given), given), {
    pooler: given.pooler,
    maxLength: given.max_seq_length,
  });
  const files = formats[given.format]!(model, dtypes[given.dtype]);
  await writeFolderAtomically(given.output_dir, files, { overwrite: given.overwrite_output_dir === true });
  say(`saved ${given.output_dir}${model.pooler === null ? "; it does not name its pooler: give one with --pooler" : ""}`);
}
