/**
 * What was measured and checked on a device, in a store that outlives the process. It is valid for this adapter, its driver, how the device
 * was opened and the package's version, and each result for the text of the kernels that it is about.
 */
import { Choices, isRecordOf } from "../autograd/choices.ts";
import { DeviceError, SimcseError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { shaderCode } from "../gpu/shader.ts";
import type { Variant } from "../kernels/language/operation.ts";

/** Texts that outlive the process, by name. */
export interface ChoiceStore {
  read(key: string): Promise<string | null>;
  write(key: string, text: string): Promise<void>;
}

/** Where results are kept, and for which version of the package. */
export interface ChoiceCacheOptions {
  readonly store?: ChoiceStore | undefined;
  readonly version: string;
}

/** A result of each sort: the name of a chosen variant by `tuningKey`, and whether a variant has correct results by `checkKey`. */
interface Results {
  readonly choices: string;
  readonly verdicts: boolean;
}

/** What the store keeps for an adapter. */
interface Kept {
  readonly identity: Readonly<Record<string, string>>;
  readonly choices: Readonly<Record<string, string>>;
  readonly verdicts: Readonly<Record<string, boolean>>;
  /** The digest of the kernels that each choice and verdict applies to, by its key. */
  readonly kernels: Readonly<Record<string, string>>;
}

const nothing: Kept = { identity: {}, choices: {}, verdicts: {}, kernels: {} };

/** Earlier results for a device. */
export class ChoiceCache {
  readonly #device: Device;
  readonly #options: ChoiceCacheOptions;
  readonly #results: { readonly [Sort in keyof Results]: Map<string, Results[Sort]> };
  readonly #kernels: Map<string, string>;
  #changed = false;

  private constructor(device: Device, options: ChoiceCacheOptions, { choices, verdicts, kernels }: Kept) {
    this.#device = device;
    this.#options = options;
    this.#results = { choices: new Map(Object.entries(choices)), verdicts: new Map(Object.entries(verdicts)) };
    this.#kernels = new Map(Object.entries(kernels));
  }

  /** Reads what is kept for the device. What cannot be read is reported in a note, and the cache is empty. */
  static async open(device: Device, options: ChoiceCacheOptions, onNote?: (note: string) => void): Promise<ChoiceCache> {
    const kept = await read(device, options).catch((error: unknown) => {
      if (!(error instanceof SimcseError)) throw error;
      onNote?.(`${error.message}; it is made anew`);
      return nothing;
    });
    return new ChoiceCache(device, options, kept);
  }

  /** An earlier result for kernels with the digest `kernels`. */
  find<Sort extends keyof Results>(sort: Sort, key: string, kernels: string): Results[Sort] | undefined {
    return this.#kernels.get(key) === kernels ? this.#results[sort].get(key) : undefined;
  }

  keep<Sort extends keyof Results>(sort: Sort, key: string, result: Results[Sort], kernels: string): void {
    if (this.find(sort, key, kernels) === result) return;
    this.#results[sort].set(key, result);
    this.#kernels.set(key, kernels);
    this.#changed = true;
  }

  /** Writes what is new to the store. Throws what the store throws. */
  async save(): Promise<void> {
    const { store } = this.#options;
    if (store === undefined || !this.#changed) return;
    const kept: Kept = {
      identity: identityOf(this.#device, this.#options),
      choices: new Choices(this.#results.choices).toJSON(),
      verdicts: Object.fromEntries(this.#results.verdicts),
      kernels: Object.fromEntries(this.#kernels),
    };
    await store.write(storeKey(this.#device), `${JSON.stringify(kept, null, 2)}\n`);
    this.#changed = false;
  }
}

/** A text that changes whenever the WGSL of one of the variants does (FNV-1a). */
export function kernelsDigest({ shaderTarget }: Device, variants: readonly Variant[]): string {
  let hash = 0x811c9dc5;
  for (const { shader } of variants.flatMap((variant) => variant.lower().kernels)) {
    const text = shaderCode(shader, shaderTarget);
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

/** What the store's results are valid for. */
function identityOf({ name, info, capabilities }: Device, { version }: ChoiceCacheOptions): Record<string, string> {
  const { vendor, architecture, device, description } = info;
  return {
    adapter: name,
    vendor,
    architecture,
    device,
    driver: description,
    features: [...capabilities.features].sort().join(" "),
    // They tell adapters apart where a browser gives them no name, as Firefox.
    limits: Object.values(capabilities.limits).join(" "),
    version,
  };
}

/** The adapter's name as a file name. */
function storeKey({ name }: Device): string {
  const letters = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return letters.replace(/^-|-$/g, "").slice(0, 80) || "adapter";
}

/** The results for this adapter and configuration. Throws `SimcseError` when they cannot be read or have another form. */
async function read(device: Device, options: ChoiceCacheOptions): Promise<Kept> {
  const text = (await options.store?.read(storeKey(device))) ?? null;
  if (text === null) return nothing;
  const found = parse(text);
  if (found === null) throw new DeviceError(`what was cached for ${device.name} cannot be read`, "It is measured anew.");
  const identity = identityOf(device, options);
  return Object.entries(identity).every(([name, value]) => found.identity[name] === value) ? found : nothing;
}

function parse(text: string): Kept | null {
  try {
    const { identity, choices, verdicts, kernels = {} } = JSON.parse(text) as Record<string, unknown>;
    if (!isRecordOf(identity, "string") || !isRecordOf(choices, "string")) return null;
    if (!isRecordOf(verdicts, "boolean") || !isRecordOf(kernels, "string")) return null;
    return { identity, choices, verdicts, kernels };
  } catch {
    return null;
  }
}
