/**
 * Chooses variants for one device. Each kind of node is measured once in all of its variants, and the fastest variant with correct results
 * is cached in a store, for this adapter, driver, package version and text of the kernels. From then on the choices are data.
 *
 * Only operations on floats are measured, because valid tables of indices cannot be generated at random. Without measuring, the choice is
 * each operation's own, among the variants with correct results.
 */

import { Choices, isRecordOf, type Tuning, tuningKey } from "../autograd/choices.ts";
import type { Choose } from "../autograd/plan.ts";
import type { Program } from "../autograd/program.ts";
import { DeviceError, SimcseError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { shaderCode } from "../gpu/shader.ts";
import { Turns } from "../gpu/turns.ts";
import type { Node, Variant } from "../kernels/language/operation.ts";
import { contenderOf, measureInTurns } from "./measure.ts";
import { nodeProgram, randomInputs } from "./node-program.ts";
import { checkKey, computesRight, isDoubtful } from "./self-check.ts";

/** Texts that outlive the process, by name. */
export interface ChoiceStore {
  read(key: string): Promise<string | null>;
  write(key: string, text: string): Promise<void>;
}

/** Options of an `Autotuner`. */
export interface AutotunerOptions {
  /** Where choices and verdicts are cached; if absent, they are forgotten when the process ends. */
  readonly store?: ChoiceStore | undefined;
  /** The package's version: kernels of another version are measured again. */
  readonly version: string;
  /** Whether to measure; false leaves each operation its own choice. */
  readonly measure: boolean;
  /** Whether to compare doubtful variants with portable ones before their first use; if false, all are trusted. */
  readonly check: boolean;
  /**
   * Seconds that measuring may take in total; 60 if absent. Kinds not measured by then are left to the operations, and measured the next
   * time.
   */
  readonly seconds?: number;
  /** Called with each measurement, and when a cache cannot be read. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Called with each variant that fails to run or has wrong results; it is not used. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** A variant must be faster by this share to replace the operation's own choice; smaller differences are noise. */
const leastGain = 0.03;

/** How a kind of node is measured. */
const pace = { warmUp: 0, turn: 4, rounds: 5, hopeless: 3 };

/** Measures and checks kernel variants on one device. `openTuning` makes one that caches. */
export class Autotuner implements Tuning {
  readonly #device: Device;
  readonly #options: AutotunerOptions;
  readonly #choices: Map<string, string>;
  /** Whether a doubtful variant has correct results, by `checkKey`. */
  readonly #verdicts: Map<string, boolean>;
  /** The digest of the kernels that each choice and verdict applies to, by its key. */
  readonly #kernels: Map<string, string>;
  readonly #turns = new Turns();
  #secondsLeft: number;
  /** Kinds of nodes measured so far. */
  #measured = 0;
  #changed = false;

  private constructor(device: Device, options: AutotunerOptions, known: Remembered) {
    this.#device = device;
    this.#options = options;
    this.#choices = new Map(Object.entries(known.choices));
    this.#verdicts = new Map(Object.entries(known.verdicts));
    this.#kernels = new Map(Object.entries(known.kernels));
    this.#secondsLeft = options.seconds ?? 60;
  }

  /** Reads the cache of the device. Entries that cannot be read are reported in a note and measured again. */
  static async open(device: Device, options: AutotunerOptions): Promise<Autotuner> {
    const known = await recall(device, options).catch((error: unknown) => {
      if (!(error instanceof SimcseError)) throw error;
      options.onNote?.(`${error.message}; it is made anew`);
      return nothing;
    });
    return new Autotuner(device, options, known);
  }

  /**
   * Throws `DeviceError` when no variant of a node has correct results. Calls take turns, because other work on the device would distort
   * the measurements.
   */
  prepare(nodes: readonly Node[]): Promise<Choose> {
    return this.#turns.take(() => this.#prepare(nodes));
  }

  async #prepare(nodes: readonly Node[]): Promise<Choose> {
    const chosen = new Map<string, string>();
    const started = performance.now();
    const before = this.#measured;
    for (const node of nodes) {
      const key = tuningKey(node);
      const variants = node.operation.variants?.(node, this.#device.capabilities) ?? [];
      if (variants.length > 0 && !chosen.has(key)) chosen.set(key, await this.#best(node, key, variants));
    }
    const measured = this.#measured - before;
    if (measured > 0) this.#options.onNote?.(`measured ${measured} kernels in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    await this.#remember();
    return new Choices(chosen).prepare();
  }

  async #best(node: Node, key: string, variants: readonly Variant[]): Promise<string> {
    const { ranking, isMeasured } = await this.#rank(node, key, variants);
    for (const variant of ranking) {
      if (!(await this.#isRight(node, variant))) continue;
      if (isMeasured) this.#keep(this.#choices, key, variant.name, variants);
      return variant.name;
    }
    throw new DeviceError(
      `${this.#device.name} computes ${node.operation.name} wrong in every variant: ${variants.map(({ name }) => name).join(", ")}.`,
      "Update its driver, run without --fp16, or choose another adapter.",
    );
  }

  /** The variants, the one to use first: from the cache, by measurement, or in the operation's order. */
  async #rank(node: Node, key: string, variants: readonly Variant[]): Promise<{ ranking: readonly Variant[]; isMeasured: boolean }> {
    const own = { ranking: variants, isMeasured: false };
    if (!this.#options.measure || variants.length < 2 || node.inputs.some(({ dtype }) => dtype === "u32")) return own;
    const remembered = variants.find(({ name }) => name === this.#kept(this.#choices, key, variants));
    if (remembered) return { ranking: [remembered, ...variants.filter((variant) => variant !== remembered)], isMeasured: true };
    if (this.#secondsLeft <= 0) return own;
    const ranking = await this.#measureAll(node, variants);
    if (ranking !== null) {
      this.#measured++;
      return { ranking, isMeasured: true };
    }
    this.#options.onWarning?.(
      "measuring kernels takes long here: the rest are chosen by rule this time and measured the next; --no-autotune measures none",
    );
    return own;
  }

  /** The variants that run, the fastest first; null when there is no time to measure them all. */
  async #measureAll(node: Node, variants: readonly Variant[]): Promise<readonly Variant[] | null> {
    let last = performance.now();
    const device = this.#device;
    // Drivers compile in parallel. A variant that fails here fails again below, by itself.
    await Promise.allSettled(variants.flatMap((variant) => variant.lower().kernels.map(({ shader }) => device.pipeline(shader))));
    const running: { variant: Variant; program: Program }[] = [];
    try {
      for (const variant of variants) {
        const program = await this.#attempt(variant, node, async () => {
          const made = await nodeProgram(device, node, (list) => list.find(({ name }) => name === variant.name), { toRead: false });
          made?.run({ inputs: randomInputs(made) });
          return made;
        });
        this.#secondsLeft -= (performance.now() - last) / 1000;
        last = performance.now();
        if (program !== null) running.push({ variant, program });
        if (this.#secondsLeft <= 0) return null;
      }
      const contenders = running.map(({ program }) => contenderOf(program));
      const timings = await measureInTurns(device, contenders, pace);
      const timed = running.map(({ variant }, i) => ({
        variant,
        milliseconds: timings[i]!.milliseconds * (variant === variants[0] ? 1 - leastGain : 1),
      }));
      return timed.sort((a, b) => a.milliseconds - b.milliseconds).map(({ variant }) => variant);
    } finally {
      for (const { program } of running) program.close();
    }
  }

  async #isRight(node: Node, variant: Variant): Promise<boolean> {
    if (!this.#options.check || !isDoubtful(variant.lower(), this.#device)) return true;
    const key = checkKey(node, variant);
    const known = this.#kept(this.#verdicts, key, [variant]);
    if (known !== undefined) return known;
    const right = await this.#attempt(variant, node, () => computesRight(this.#device, node, variant));
    if (right === false) {
      this.#options.onWarning?.(
        `${this.#device.name} computes ${node.operation.name} wrong in the variant ${variant.name}; it is left out. Update the driver.`,
      );
    }
    // A variant that did not run may run another time.
    if (right === null) return false;
    this.#keep(this.#verdicts, key, right, [variant]);
    return right;
  }

  /** Earlier results for kernels with the same text. */
  #kept<T>(found: ReadonlyMap<string, T>, key: string, variants: readonly Variant[]): T | undefined {
    return found.has(key) && this.#kernels.get(key) === this.#digest(variants) ? found.get(key) : undefined;
  }

  #keep<T>(found: Map<string, T>, key: string, value: T, variants: readonly Variant[]): void {
    if (this.#kept(found, key, variants) === value) return;
    found.set(key, value);
    this.#kernels.set(key, this.#digest(variants));
    this.#changed = true;
  }

  #digest(variants: readonly Variant[]): string {
    const hasHalves = this.#device.capabilities.features.has("shader-f16");
    return digest(variants.flatMap((variant) => variant.lower().kernels.map(({ shader }) => shaderCode(shader, { hasHalves }))));
  }

  /** The result of `work`; null, with a warning, where the device refuses it. */
  async #attempt<T>({ name }: Variant, { operation }: Node, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      // The loss of a device says nothing about the variant.
      this.#device.check();
      if (!(error instanceof SimcseError)) throw error;
      this.#options.onWarning?.(`${this.#device.name} does not run ${operation.name} in the variant ${name}: ${error.message}`);
      return null;
    }
  }

  async #remember(): Promise<void> {
    const { store, onWarning } = this.#options;
    if (store === undefined || !this.#changed) return;
    const { name } = this.#device;
    const kept: Remembered = {
      identity: identityOf(this.#device, this.#options),
      choices: new Choices(this.#choices).toJSON(),
      verdicts: Object.fromEntries(this.#verdicts),
      kernels: Object.fromEntries(this.#kernels),
    };
    try {
      await store.write(storeKey(this.#device), `${JSON.stringify(kept, null, 2)}\n`);
      this.#changed = false;
    } catch (error) {
      if (!(error instanceof SimcseError)) throw error;
      onWarning?.(`the choices for ${name} are not remembered: ${error.message}`);
    }
  }
}

/** What the store keeps for an adapter. */
interface Remembered {
  /** What the rest is valid for: the adapter, its driver, how it was opened, and the package's version. */
  readonly identity: Readonly<Record<string, string>>;
  readonly choices: Readonly<Record<string, string>>;
  readonly verdicts: Readonly<Record<string, boolean>>;
  readonly kernels: Readonly<Record<string, string>>;
}

const nothing: Remembered = { identity: {}, choices: {}, verdicts: {}, kernels: {} };

/** A text that changes whenever one of `texts` does (FNV-1a). */
function digest(texts: readonly string[]): string {
  let hash = 0x811c9dc5;
  for (const text of texts) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

function identityOf({ name, info, capabilities }: Device, { version }: AutotunerOptions): Record<string, string> {
  const { vendor, architecture, device, description } = info;
  return {
    adapter: name,
    vendor,
    architecture,
    device,
    driver: description,
    features: [...capabilities.features].sort().join(" "),
    version,
  };
}

/** The adapter's name as a file name. */
function storeKey({ name }: Device): string {
  const letters = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return letters.replace(/^-|-$/g, "").slice(0, 80) || "adapter";
}

/** The cached results for this adapter and configuration. Throws `SimcseError` when they cannot be read or have another form. */
async function recall(device: Device, options: AutotunerOptions): Promise<Remembered> {
  const text = (await options.store?.read(storeKey(device))) ?? null;
  if (text === null) return nothing;
  const found = parse(text);
  if (found === null) throw new DeviceError(`what was cached for ${device.name} cannot be read`, "It is measured anew.");
  const identity = identityOf(device, options);
  return Object.entries(identity).every(([name, value]) => found.identity[name] === value) ? found : nothing;
}

function parse(text: string): Remembered | null {
  try {
    const { identity, choices, verdicts, kernels = {} } = JSON.parse(text) as Record<string, unknown>;
    if (!isRecordOf(identity, "string") || !isRecordOf(choices, "string")) return null;
    if (!isRecordOf(verdicts, "boolean") || !isRecordOf(kernels, "string")) return null;
    return { identity, choices, verdicts, kernels };
  } catch {
    return null;
  }
}
