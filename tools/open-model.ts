/** The options that name a model, shared by the commands that use one, and the model opened as they say. */
import { Option } from "commander";
import { OptionError } from "../src/errors.ts";
import type { Device } from "../src/gpu/device.ts";
import { type PoolerType, poolerTypes } from "../src/simcse/poolers.ts";
import { SimCSE } from "../src/simcse/simcse-node.ts";
import { findModel, type HubFlags, hubFlags } from "./find-model.ts";
import { openAdapter } from "./open-adapter.ts";
import { wholeNumber } from "./options.ts";
import { tuningFor, tuningOptions } from "./tuning.ts";

export interface ModelOptions extends HubFlags {
  readonly model_name_or_path?: string;
  readonly model?: string;
  readonly pooler?: PoolerType;
  readonly max_length?: number;
  readonly batch_size: number;
  readonly adapter?: string;
  readonly autotune?: boolean;
}

export const modelOptions: readonly Option[] = [
  new Option("--model_name_or_path <model>", "model folder, or a name on the hub"),
  new Option("--model <model>", "the same, shorter"),
  ...hubFlags,
  new Option("--pooler <type>", "how a sentence's vector is made (default: the one saved with the model)").choices([...poolerTypes]),
  new Option("--max_length <n>", "tokens a sentence is truncated to (default: as saved with the model, or 128)").argParser(wholeNumber(3)),
  new Option("--batch_size <n>", "sentences a batch").argParser(wholeNumber(1)).default(64),
  new Option("--adapter <name>", "run on the adapter whose name contains this"),
  ...tuningOptions,
];

/** Throws `OptionError` unless one model is named. */
export function modelName({ model_name_or_path, model }: ModelOptions): string {
  const names = [...new Set([model_name_or_path, model].filter((name) => name !== undefined))];
  if (names.length === 1) return names[0]!;
  throw new OptionError(
    names.length === 0 ? "No model is named." : "--model and --model_name_or_path name two models.",
    "Give --model with a model's folder, or its name on the hub.",
  );
}

/** A model and the device that it has for itself; both are closed together. */
export interface OpenModel extends AsyncDisposable {
  readonly simcse: SimCSE;
  readonly device: Device;
}

export async function openModel(given: ModelOptions, { normalize = true }: { readonly normalize?: boolean } = {}): Promise<OpenModel> {
  const folder = await findModel(modelName(given), given);
  const device = await openAdapter(given.adapter ? { adapter: given.adapter } : {});
  try {
    const simcse = await SimCSE.loadFrom(device, folder, {
      ...(given.pooler && { pooler: given.pooler }),
      ...(given.max_length && { maxLength: given.max_length }),
      batchSize: given.batch_size,
      normalize,
      tuning: await tuningFor(device, given),
    });
    const close = async () => {
      simcse.close();
      device.close();
    };
    return { simcse, device, [Symbol.asyncDispose]: close };
  } catch (error) {
    device.close();
    throw error;
  }
}
