/**
 * Chooses variants for one device. Each kind of node is measured once in all of its variants, and the fastest variant with correct results
 * is cached in a store, for this adapter, driver, package version and text of the kernels. From then on the choices are data.
 *
 * A program's kinds are measured together, because most of the time goes into compiling: nodes that differ only in what follows a product
 * count as one kind (`measuredAs`), all kernels are compiled at once, and the device is warmed up once. On hardware, kinds with little work
 * are left to the operation, and so are variants far from its own choice in its list.
 *
 * An operation that reads tables of indices is measured if it says with which (`tables`). Without measuring, the choice is each operation's
 * own, among the variants with correct results.
 */

import { Choices, type Tuning, tuningKey } from "../autograd/choices.ts";
import type { Choose } from "../autograd/plan.ts";
import { DeviceError, SimcseError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { Turns } from "../gpu/turns.ts";
import { capacity, type Node, type Variant } from "../kernels/language/operation.ts";
import { plural } from "../show.ts";
import { ChoiceCache, type ChoiceStore, kernelsDigest } from "./choice-cache.ts";
import { contenderOf, measureInTurns, warmUpOf } from "./measure.ts";
import { nodeOf, randomInputs, tablesOf, variantsProgram } from "./node-program.ts";
import { checkKey, computesRight, isDoubtful } from "./self-check.ts";

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

/**
 * How a kind of node is measured. A turn is many runs on a warm device, so one turn tells what is a quarter slower than another; the median
 * of three tells the rest.
 */
const pace = { turn: 3, rounds: 3, hopeless: 1.25 };

/** A kind with less than this share of the largest one's work in the whole program is not worth measuring on hardware. */
const leastShare = 1 / 64;

/** The most variants of a kind that are measured on hardware, where the time goes into compiling. */
const mostVariants = 4;

/** Milliseconds that keep the device warm between two kinds, while inputs are written. */
const keptWarm = 10;

/** What is measured in the place of nodes that are as fast in the same variants. */
interface Measured {
  readonly node: Node;
  readonly key: string;
  readonly variants: readonly Variant[];
  /** The digest of the variants' kernels. */
  readonly kernels: string;
}

/** A kind of node, its variants, and what is measured for it. */
interface Kind {
  readonly node: Node;
  /** How many nodes of the program are of this kind. */
  readonly count: number;
  readonly variants: readonly Variant[];
  readonly measured: Measured;
}

/** The arithmetic of all nodes of a kind, which says how much its variant matters. */
const workOf = ({ count, measured: { variants } }: Kind): number =>
  count * variants[0]!.lower().kernels.reduce((sum, { flop }) => sum + (flop?.(capacity) ?? 0), 0);

/** Measures and checks kernel variants on one device. `openTuning` makes one that caches. */
export class Autotuner implements Tuning {
  readonly #device: Device;
  readonly #options: AutotunerOptions;
  readonly #cache: ChoiceCache;
  readonly #turns = new Turns();
  /** Checks that are running, by `checkKey`. */
  readonly #checks = new Map<string, Promise<boolean>>();
  #secondsLeft: number;

  private constructor(device: Device, options: AutotunerOptions, cache: ChoiceCache) {
    this.#device = device;
    this.#options = options;
    this.#cache = cache;
    this.#secondsLeft = options.seconds ?? 60;
  }

  /** Reads the cache of the device. Entries that cannot be read are reported in a note and measured again. */
  static async open(device: Device, options: AutotunerOptions): Promise<Autotuner> {
    return new Autotuner(device, options, await ChoiceCache.open(device, options, options.onNote));
  }

  /**
   * Throws `DeviceError` when no variant of a node has correct results. Calls take turns, because other work on the device would distort
   * the measurements.
   */
  prepare(nodes: readonly Node[]): Promise<Choose> {
    return this.#turns.take(() => this.#prepare(nodes));
  }

  async #prepare(nodes: readonly Node[]): Promise<Choose> {
    const kinds = new Map<string, Kind>();
    for (const node of nodes) {
      const key = tuningKey(node);
      const known = kinds.get(key);
      kinds.set(key, known ? { ...known, count: known.count + 1 } : this.#kindOf(node));
    }
    const choosing = [...kinds].filter(([, { variants }]) => variants.length > 0);
    const fresh = await this.#measureNew(choosing.map(([, kind]) => kind));
    // All at once, because drivers compile in parallel. The first failure counts, but no check may still run when this returns.
    const best = await Promise.allSettled(choosing.map(([, kind]) => this.#best(kind, fresh)));
    const failed = best.find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
    await this.#remember();
    return new Choices(choosing.map(([key], i) => [key, (best[i] as PromiseFulfilledResult<string>).value])).prepare();
  }

  #kindOf(node: Node): Kind {
    const { capabilities } = this.#device;
    const variantsOf = (other: Node) => other.operation.variants?.(other, capabilities) ?? [];
    const { operation } = node;
    const measured = operation.measuredAs ? nodeOf({ operation, ...operation.measuredAs(node) }) : node;
    const all = variantsOf(measured);
    const variants = capabilities.software ? all : all.slice(0, mostVariants);
    const kernels = this.#options.measure ? kernelsDigest(this.#device, variants) : "";
    return { node, count: 1, variants: variantsOf(node), measured: { node: measured, key: tuningKey(measured), variants, kernels } };
  }

  /** The name of the variant to use: the fastest that has correct results. */
  async #best({ node, variants, measured }: Kind, fresh: ReadonlyMap<string, readonly string[]>): Promise<string> {
    const remembered = this.#cache.find("choices", measured.key, measured.kernels);
    const ranking = !this.#isMeasurable(measured) ? [] : (fresh.get(measured.key) ?? (remembered === undefined ? [] : [remembered]));
    const ranked = ranking.flatMap((name) => variants.filter((variant) => variant.name === name));
    for (const variant of new Set([...ranked, ...variants])) {
      if (!(await this.#isRight(node, variant))) continue;
      if (ranking.includes(variant.name)) this.#cache.keep("choices", measured.key, variant.name, measured.kernels);
      return variant.name;
    }
    throw new DeviceError(
      `${this.#device.name} computes ${node.operation.name} wrong in every variant: ${variants.map(({ name }) => name).join(", ")}.`,
      "Update its driver, run without --fp16, or choose another adapter.",
    );
  }

  #isMeasurable({ node, variants }: Measured): boolean {
    const isReady = node.operation.tables !== undefined || node.inputs.every(({ dtype }) => dtype !== "u32");
    return this.#options.measure && variants.length > 1 && isReady;
  }

  /** What is worth measuring for these kinds and is not known yet, that with the most work first. */
  #unknown(kinds: readonly Kind[]): Measured[] {
    const found = new Map<string, { readonly measured: Measured; readonly work: number }>();
    for (const kind of kinds.filter(({ measured }) => this.#isMeasurable(measured))) {
      const { key } = kind.measured;
      found.set(key, { measured: kind.measured, work: workOf(kind) + (found.get(key)?.work ?? 0) });
    }
    const works = [...found.values()].map(({ work }) => work);
    const least = this.#device.capabilities.software ? 0 : leastShare * Math.max(0, ...works);
    return [...found.values()]
      .filter(({ measured: { key, kernels }, work }) => work >= least && this.#cache.find("choices", key, kernels) === undefined)
      .sort((a, b) => b.work - a.work)
      .map(({ measured }) => measured);
  }

  /** Measures the kinds that are not known yet. Each one's variants by key, the fastest first. */
  async #measureNew(kinds: readonly Kind[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const all = this.#unknown(kinds);
    const rankings = new Map<string, readonly string[]>();
    if (all.length === 0 || this.#secondsLeft <= 0) return rankings;
    this.#options.onNote?.(`measuring the variants of ${plural(all.length, "kernel")}, once for this device`);
    const started = performance.now();
    // A software adapter compiles for so long that the time may end before all is compiled.
    if (!this.#device.capabilities.software) await Promise.all(all.map((measured) => this.#compile(measured)));
    for (const [i, measured] of all.entries()) {
      if ((performance.now() - started) / 1000 >= this.#secondsLeft) {
        this.#options.onWarning?.(
          `measuring kernels takes long here: ${all.length - i} are chosen by rule this time and measured the next; --no-autotune measures none`,
        );
        break;
      }
      const ranking = await this.#measure(measured, rankings.size === 0 ? warmUpOf(this.#device) : keptWarm);
      if (ranking !== null) rankings.set(measured.key, ranking);
    }
    const seconds = (performance.now() - started) / 1000;
    this.#secondsLeft -= seconds;
    if (rankings.size > 0) this.#options.onNote?.(`measured ${plural(rankings.size, "kernel")} in ${seconds.toFixed(1)} s`);
    return rankings;
  }

  /** Those of a kind's variants that compile. Only with `warn`, a failure is reported. */
  async #compile({ node, variants }: Measured, warn = false): Promise<readonly Variant[]> {
    const compiled = variants.map(async (variant) => {
      const pipelines = Promise.all(variant.lower().kernels.map(({ shader }) => this.#device.pipeline(shader)));
      return warn ? this.#attempt(variant.name, node, () => pipelines) : pipelines.catch(() => null);
    });
    const found = await Promise.all(compiled);
    return variants.filter((_, i) => found[i] !== null);
  }

  /** The names of a kind's variants that run, the fastest first; null, with a warning, where none compiles or the device refuses to run them. */
  async #measure(measured: Measured, warmUp: number): Promise<readonly string[] | null> {
    const { node, variants } = measured;
    const running = await this.#compile(measured, true);
    if (running.length === 0) return null;
    const names = running.map(({ name }) => name);
    return this.#attempt(names.join(", "), node, async () => {
      const { program, nodes } = await variantsProgram(this.#device, node, names);
      try {
        program.run({ inputs: { ...randomInputs(program), ...tablesOf(node) } });
        const contenders = nodes.map((own) => contenderOf(program, (other) => other === own));
        const timings = await measureInTurns(this.#device, contenders, { ...pace, warmUp });
        const own = (name: string) => (name === variants[0]!.name ? 1 - leastGain : 1);
        return names
          .map((name, i) => ({ name, milliseconds: timings[i]!.milliseconds * own(name) }))
          .sort((a, b) => a.milliseconds - b.milliseconds)
          .map(({ name }) => name);
      } finally {
        program.close();
      }
    });
  }

  async #isRight(node: Node, variant: Variant): Promise<boolean> {
    if (!this.#options.check || !isDoubtful(variant.lower(), this.#device)) return true;
    const key = checkKey(node, variant);
    const known = this.#cache.find("verdicts", key, kernelsDigest(this.#device, [variant]));
    if (known !== undefined) return known;
    const running = this.#checks.get(key) ?? this.#check(node, variant, key).finally(() => this.#checks.delete(key));
    this.#checks.set(key, running);
    return running;
  }

  async #check(node: Node, variant: Variant, key: string): Promise<boolean> {
    const right = await this.#attempt(variant.name, node, () => computesRight(this.#device, node, variant));
    if (right === false) {
      this.#options.onWarning?.(
        `${this.#device.name} computes ${node.operation.name} wrong in the variant ${variant.name}; it is left out. Update the driver.`,
      );
    }
    // A variant that did not run may run another time.
    if (right === null) return false;
    this.#cache.keep("verdicts", key, right, kernelsDigest(this.#device, [variant]));
    return right;
  }

  /** The result of `work`; null, with a warning, where the device refuses it. */
  async #attempt<T>(name: string, { operation }: Node, work: () => Promise<T>): Promise<T | null> {
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
    try {
      await this.#cache.save();
    } catch (error) {
      if (!(error instanceof SimcseError)) throw error;
      this.#options.onWarning?.(`the choices for ${this.#device.name} are not remembered: ${error.message}`);
    }
  }
}
