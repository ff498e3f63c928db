/**
 * The programs and memory for training the classifiers of a task. Weights stay on the device, and so do the features if they fit into one
 * binding; otherwise each minibatch uploads its own. A step is one minibatch for all classifiers still in training. `classifiers.ts`
 * decides which these are and when they stop.
 */
import { compile, type Program } from "../../../autograd/program.ts";
import type { Tape } from "../../../autograd/tape.ts";
import type { Device } from "../../../gpu/device.ts";
import {
  adamCorrections,
  type ClassifierState,
  type ClassifierTables,
  classifierGradient,
  classifierUpdate,
  role,
  roleTable,
  setRole,
  tallyClassifiers,
  tallyTable,
} from "../../../kernels/classifiers.ts";
import { copyInto } from "../../../kernels/copy.ts";
import { gatherRows } from "../../../kernels/gather-rows.ts";
import {
  bytesPerElement,
  type Dimension,
  elementCount,
  f32,
  type Persistent,
  type Type,
  u32,
} from "../../../kernels/language/operation.ts";
import { matmul } from "../../../kernels/matmul/matmul.ts";
import { reshape } from "../../../kernels/reshape.ts";
import { stream } from "../../../nn/random.ts";
import type { ClassifierData, ClassifierSettings, Contender, Fold } from "./classifier-data.ts";
import { SENTEVAL_SEED } from "./folds.ts";

/** Rows classified at once when accuracies are counted: enough to fill a device, with little memory. */
const evaluationRows = 512;

/** Steps submitted before the first of them has finished: minibatches that wait on the host take memory. */
const stepsInFlight = 64;

/** What a machine is built for, besides the data. */
export interface MachinePlan {
  readonly folds: readonly Fold[];
  readonly contenders: readonly Contender[];
  readonly optimizer: ClassifierSettings["optimizer"];
  /** [start, end) of each minibatch of a pass. */
  readonly cuts: readonly (readonly [start: number, end: number])[];
  /** Features that take more bytes are uploaded with each minibatch. */
  readonly residentBytes: number;
}

/** The tensors of one training, on the device. */
interface MachineTensors extends ClassifierState {
  readonly labels: Persistent;
  readonly roles: Persistent;
  readonly counts: Persistent;
  /** Absent if features are uploaded with each minibatch. */
  readonly features?: Persistent;
}

interface MachinePrograms {
  readonly step: Program;
  readonly evaluation: Program;
  readonly compaction: Program;
}

/** Made for the folds and contenders of one training. */
export class ClassifierMachine {
  readonly #device: Device;
  readonly #plan: MachinePlan;
  readonly #classes: number;
  readonly #tensors: MachineTensors;
  readonly #programs: MachinePrograms;
  /** A fold's column in the table of roles. */
  readonly #foldNumbers: ReadonlyMap<Fold, number>;
  /** Features that are uploaded with each minibatch; null if they are on the device. */
  readonly #sent: Features | null;
  #updates = 0;

  private constructor(
    device: Device,
    plan: MachinePlan,
    parts: {
      readonly classes: number;
      readonly tensors: MachineTensors;
      readonly programs: MachinePrograms;
      readonly sent: Features | null;
    },
  ) {
    this.#device = device;
    this.#plan = plan;
    this.#classes = parts.classes;
    this.#tensors = parts.tensors;
    this.#programs = parts.programs;
    this.#sent = parts.sent;
    this.#foldNumbers = new Map(plan.folds.map((fold, at) => [fold, at]));
  }

  /** Uploads the data and compiles the programs. Throws `CapacityError` when the device cannot hold the weights. */
  static async create(device: Device, data: ClassifierData, plan: MachinePlan): Promise<ClassifierMachine> {
    const features = paddedFeatures(data);
    const resident = features.rows.byteLength <= plan.residentBytes;
    const tensors = upload(device, data, plan, features, resident);
    const programs = await compilePrograms(device, tensors, { ...plan, classes: data.classes, width: features.width });
    return new ClassifierMachine(device, plan, { classes: data.classes, tensors, programs, sent: resident ? null : features });
  }

  /** One pass over `order`, the rows of all training sets, in the minibatches of `cuts`. */
  async pass(order: Uint32Array, live: readonly Contender[]): Promise<void> {
    const tables = { ...this.#tables(live), strengths: Float32Array.from(live, ({ strength }) => strength) };
    for (const [start, end] of this.#plan.cuts) {
      const batch = order.subarray(start, end);
      this.#updates++;
      this.#programs.step.run({
        inputs: { ...this.#minibatch(batch), ...(start === 0 && tables) },
        live: this.#live(batch, live),
        scalars: adamCorrections(this.#updates),
      });
      if (this.#updates % stepsInFlight === 0) await this.#device.finish();
    }
    await this.#device.finish();
  }

  /** u32 [live, 4] counts over `rows`, see `tallyClassifiers`. */
  async count(rows: Uint32Array, live: readonly Contender[]): Promise<Uint32Array> {
    const size = Math.min(evaluationRows, rows.length);
    for (let start = 0; start < rows.length; start += size) {
      const batch = rows.subarray(start, start + size);
      this.#programs.evaluation.run({
        inputs: { ...this.#minibatch(batch), ...this.#tables(live) },
        live: this.#live(batch, live),
        step: start / size,
      });
    }
    return new Uint32Array(await this.#device.read(this.#tensors.counts.window));
  }

  /** Moves the weights and moments of the classifiers that continue to the front. */
  keep(live: readonly Contender[], next: readonly Contender[]): void {
    if (next.length === live.length || next.length === 0) return;
    const kept = new Uint32Array(this.#plan.contenders.length * this.#classes);
    next.forEach((contender, to) => {
      const from = live.indexOf(contender);
      for (let c = 0; c < this.#classes; c++) kept[to * this.#classes + c] = from * this.#classes + c;
    });
    this.#programs.compaction.run({ inputs: { kept } });
  }

  close(): void {
    for (const program of Object.values<Program>({ ...this.#programs })) program.close();
    for (const { window } of Object.values<Persistent>({ ...this.#tensors })) window.buffer.destroy();
  }

  #tables(live: readonly Contender[]) {
    return { folds: Uint32Array.from(live, ({ fold }) => this.#foldNumbers.get(fold)!) };
  }

  #minibatch(batch: Uint32Array): Record<string, Uint32Array | Float32Array> {
    if (this.#sent === null) return { batch };
    const { width, rows } = this.#sent;
    const x = new Float32Array(batch.length * width);
    batch.forEach((row, at) => {
      x.set(rows.subarray(row * width, (row + 1) * width), at * width);
    });
    return { batch, x };
  }

  #live(batch: Uint32Array, live: readonly Contender[]) {
    return { batch: batch.length, classifiers: live.length, outputs: live.length * this.#classes };
  }
}

/** Rows in the form for the classifiers, f32 [rows, width]. */
interface Features {
  readonly width: number;
  readonly rows: Float32Array;
}

/** A tensor on the device that holds `data`. */
function hold(device: Device, name: string, { dtype, shape }: Type, data: Float32Array | Uint32Array): Persistent {
  const size = elementCount(shape) * bytesPerElement[dtype];
  const buffer = device.createBuffer(name, size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  device.write(buffer, 0, data);
  return { name, dtype, shape: shape as readonly number[], window: { buffer, offset: 0, size } };
}

/** The data on the device, and the classifiers' initial weights. */
function upload(
  device: Device,
  { labels, dimension, classes }: ClassifierData,
  { folds, contenders }: MachinePlan,
  { rows, width }: Features,
  resident: boolean,
): MachineTensors {
  const weights = f32(contenders.length * classes, width);
  const zeros = new Float32Array(contenders.length * classes * width);
  return {
    labels: hold(device, "labels", u32(labels.length), labels),
    roles: hold(device, "roles", roleTable(labels.length, folds.length), rolesOf(labels.length, folds)),
    weights: hold(device, "weights", weights, initialWeights(contenders.length, classes, dimension, width)),
    first: hold(device, "first moment", weights, zeros),
    second: hold(device, "second moment", weights, zeros),
    counts: hold(device, "counts", tallyTable(contenders.length), new Uint32Array(contenders.length * 4)),
    ...(resident && { features: hold(device, "features", f32(labels.length, width), rows) }),
  };
}

/** The three programs: a minibatch's step, a batch's counts, and moving weights to the front. */
async function compilePrograms(
  device: Device,
  tensors: MachineTensors,
  { contenders, optimizer, cuts, classes, width }: MachinePlan & { readonly classes: number; readonly width: number },
): Promise<MachinePrograms> {
  const { labels, roles, weights, first, second, counts, features } = tensors;
  const state: ClassifierState = { weights, first, second };
  const outputs = contenders.length * classes;

  /** The logits of a minibatch by the live classifiers. */
  const record = (tape: Tape, size: number) => {
    const batch = tape.input("batch", u32(tape.extent("batch", size)));
    const outputsLive: Dimension = tape.extent("outputs", outputs);
    const folds = tape.input("folds", u32(tape.extent("classifiers", contenders.length)));
    const tables: ClassifierTables = { labels, roles, batch, folds };
    const x = features ? gatherRows(features, batch) : tape.input("x", f32(tape.extent("batch", size), width));
    return { x, tables, logits: matmul(x, reshape(tape.use(weights), [outputsLive, width]), "nt") };
  };
  return {
    step: await compile(device, (tape) => {
      const { x, tables, logits } = record(tape, Math.max(...cuts.map(([start, end]) => end - start)));
      const strengths = tape.input("strengths", f32(tape.extent("classifiers", contenders.length)));
      const gradient = matmul(classifierGradient(logits, tables, classes), x, "tn");
      const corrections = { firstCorrection: tape.scalar("firstCorrection"), secondCorrection: tape.scalar("secondCorrection") };
      classifierUpdate(gradient, strengths, state, { rule: optimizer, classes, ...corrections });
      return {};
    }),
    evaluation: await compile(device, (tape) => {
      const { tables, logits } = record(tape, Math.min(evaluationRows, elementCount(labels.shape)));
      tallyClassifiers(logits, tables, counts, classes);
      return {};
    }),
    compaction: await compile(device, (tape) => {
      const kept = tape.input("kept", u32(outputs));
      for (const tensor of Object.values(state)) copyInto(gatherRows(tensor, kept), tensor);
      return {};
    }),
  };
}

/**
 * Rows with one more feature that is always 1, for the bias, padded with zeros to a multiple of four, which every matmul kernel supports.
 */
function paddedFeatures({ features, dimension, labels }: ClassifierData): Features {
  const width = Math.ceil((dimension + 1) / 4) * 4;
  const rows = new Float32Array(labels.length * width);
  for (let row = 0; row < labels.length; row++) {
    rows.set(features.subarray(row * dimension, (row + 1) * dimension), row * width);
    rows[row * width + dimension] = 1;
  }
  return { width, rows };
}

function rolesOf(rows: number, folds: readonly Fold[]): Uint32Array {
  const [, width] = roleTable(rows, folds.length).shape as [number, number];
  const table = new Uint32Array(rows * width);
  for (const [at, fold] of folds.entries()) {
    for (const part of ["train", "dev", "test"] as const) for (const row of fold[part]) setRole(table, width, row, at, role[part]);
  }
  return table;
}

/** Weights and bias uniform in ±1/√dimension, like PyTorch's Linear; the same for every classifier. */
function initialWeights(classifiers: number, classes: number, dimension: number, width: number): Float32Array {
  const draw = stream(SENTEVAL_SEED, "classifier");
  const bound = 1 / Math.sqrt(dimension);
  const one = new Float32Array(classes * width);
  for (let c = 0; c < classes; c++) {
    for (let k = 0; k <= dimension; k++) one[c * width + k] = bound * ((2 * draw(c * width + k)) / 2 ** 32 - 1);
  }
  const all = new Float32Array(classifiers * one.length);
  for (let at = 0; at < classifiers; at++) all.set(one, at * one.length);
  return all;
}
