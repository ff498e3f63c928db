/** The options of commands that use a model, and opening the model with them. */
import { Option } from "commander";
import type { Device } from "../../src/gpu/device.ts";
import type { FloatType } from "../../src/kernels/language/operation.ts";
import { show } from "../../src/show.ts";
import { otherSimilarity } from "../../src/simcse/checkpoint/sentence-transformers.ts";
import { encodingDtypes } from "../../src/simcse/model/encoding-dtype.ts";
import { type PoolerType, poolerTypes } from "../../src/simcse/model/poolers.ts";
import { SimCSE } from "../../src/simcse/simcse-node.ts";
import { type DeviceFlags, deviceOptions, openDevices } from "../setup/open-devices.ts";
import { findModelOrDefault, type ModelFlags, modelOrDefaultFlags } from "./find-model.ts";
import { wholeNumber } from "./options.ts";
import { say } from "./say.ts";
import { tuningFor, tuningOptions } from "./tuning.ts";

export interface ModelOptions extends ModelFlags, DeviceFlags {
  readonly prompt?: string;
  readonly prompt_name?: string;
  readonly pooler?: PoolerType;
  readonly max_length?: number;
  readonly batch_size?: number;
  readonly dtype?: FloatType;
  readonly autotune?: boolean;
}

export const modelOptions: readonly Option[] = [
  ...modelOrDefaultFlags,
  new Option("--pooler <type>", "how a sentence's vector is made (default: the one saved with the model)").choices([...poolerTypes]),
  new Option("--max_length <n>", "truncate sentences to this many tokens (default: as saved with the model, or 128)").argParser(
    wholeNumber(3),
  ),
  new Option("--prompt <text>", "text to put before each text (default: as saved with the model)"),
  new Option("--prompt_name <name>", "name of one of the model's prompts, such as query or document"),
  new Option(
    "--batch_size <n>",
    "sentences per batch (default: 64, and for many sentences as many as the device computes well at once)",
  ).argParser(wholeNumber(1)),
  new Option(
    "--dtype <dtype>",
    "how weights and activations are stored (default: f16 on GPUs with matrix units for it, otherwise f32)",
  ).choices([...encodingDtypes]),
  ...deviceOptions,
  ...tuningOptions,
];

/** A model and its own device; both are closed together. */
export interface OpenModel extends AsyncDisposable {
  readonly simcse: SimCSE;
  readonly device: Device;
}

export async function openModel(given: ModelOptions, { normalize = true }: { readonly normalize?: boolean } = {}): Promise<OpenModel> {
  const folder = await findModelOrDefault(given);
  const devices = await openDevices(given);
  const [device] = devices;
  try {
    const simcse = await SimCSE.loadFrom(device, folder, {
      pooler: given.pooler,
      maxLength: given.max_length,
      prompt: given.prompt,
      promptName: given.prompt_name,
      batchSize: given.batch_size,
      dtype: given.dtype,
      normalize,
      devices,
      tuning: await tuningFor(device, given),
    });
    const similarity = await otherSimilarity(folder);
    if (similarity !== null) say(`note: ${folder.name} is made for the similarity ${show(similarity)}; texts are compared by cosine here`);
    const close = async () => {
      simcse.close();
      for (const one of devices) one.close();
    };
    return { simcse, device, [Symbol.asyncDispose]: close };
  } catch (error) {
    for (const one of devices) one.close();
    throw error;
  }
}
