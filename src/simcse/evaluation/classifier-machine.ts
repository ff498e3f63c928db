/**
 * The programs and the memory in which the classifiers of a task are trained: weights stay on the device, and so do the features where they
 * fit into one binding; else each minibatch brings its own. A step is a minibatch for all classifiers that are still trained. Which ones those
 * are, and when they stop, is `classifiers.ts`.
 */
import { compile, type Program } from "../../autograd/program.ts";
import type { Tape } from "../../autograd/tape.ts";
import type { Device } from "../../gpu/device.ts";
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
} from "../../kernels/classifiers.ts";
import { copyInto } from "../../kernels/copy.ts";
import { gatherRows } from "../../kernels/gather-rows.ts";
import { bytesPerElement, type Dimension, elementCount, f32, type Persistent, type Type, u32 } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { reshape } from "../../kernels/reshape.ts";
import { stream } from "../../nn/random.ts";
import type { ClassifierData, ClassifierSettings, Contender, Fold } from "./classifiers.ts";
import { SENTEVAL_SEED } from "./folds.ts";

/** Rows classified at once when accuracies are counted: enough to fill a device, little memory. */
const evaluationRows = 512;

/** Steps submitted before the first of them has finished: minibatches that wait on the host take memory. */
const stepsInFlight = 64;

/** Made for the folds and contenders of one training. */
export class ClassifierMachine {
  #updates = 0;

  private constructor(
    readonly device: Device,
    readonly step: Program,
    readonly evaluation: Program,
    readonly compaction: Program,
    readonly tensors: readonly Persistent[],
    readonly counts: Persistent,
    readonly cuts: readonly (readonly [start: number, end: number])[],
    readonly classes: number,
    readonly capacity: number,
    readonly numbers: ReadonlyMap<Fold, number>,
    /** Features that are sent with each minibatch; null where they are on the device. */
    readonly sent: Features | null,
  ) {}

  static async create(
    device: Device,
    data: ClassifierData,
    folds: readonly Fold[],
    contenders: readonly Contender[],
    { optimizer }: ClassifierSettings,
    cuts: readonly (readonly [start: number, end: number])[],
    residentBytes: number,
  ): Promise<ClassifierMachine> {
    const { classes, dimension } = data;
    const rows = data.labels.length;
    // One more feature, always 1, for the bias, and zeros to a multiple of four, which every matmul kernel takes.
    const width = Math.ceil((dimension + 1) / 4) * 4;
    const outputs = contenders.length * classes;
    const square = f32(outputs, width);
    const all: Features = { width, rows: padded(data, width) };
    const resident = all.rows.byteLength <= residentBytes;
    const features = resident ? hold(device, "features", f32(rows, width), all.rows) : null;
    const tensors = {
      labels: hold(device, "labels", u32(rows), data.labels),
      roles: hold(device, "roles", roleTable(rows, folds.length), rolesOf(rows, folds)),
      weights: hold(device, "weights", square, initialWeights(contenders.length, classes, dimension, width)),
      first: hold(device, "first moment", square, new Float32Array(outputs * width)),
      second: hold(device, "second moment", square, new Float32Array(outputs * width)),
      counts: hold(device, "counts", tallyTable(contenders.length), new Uint32Array(contenders.length * 4)),
    };
    const { labels, roles, weights, first, second, counts } = tensors;
    const state: ClassifierState = { weights, first, second };

    /** The logits of a minibatch by the live classifiers. */
    const record = (tape: Tape, size: number) => {
      const batch = tape.input("batch", u32(tape.extent("batch", size)));
      const outputsLive: Dimension = tape.extent("outputs", outputs);
      const tables: ClassifierTables = {
        labels,
        roles,
        batch,
        folds: tape.input("folds", u32(tape.extent("classifiers", contenders.length))),
      };
      const x = features ? gatherRows(features, batch) : tape.input("x", f32(tape.extent("batch", size), width));
      return { x, tables, logits: matmul(x, reshape(tape.use(weights), [outputsLive, width]), "nt") };
    };
    const step = await compile(device, (tape) => {
      const { x, tables, logits } = record(tape, Math.max(...cuts.map(([start, end]) => end - start)));
      const strengths = tape.input("strengths", f32(tape.extent("classifiers", contenders.length)));
      const gradient = matmul(classifierGradient(logits, tables, classes), x, "tn");
      const corrections = { firstCorrection: tape.scalar("firstCorrection"), secondCorrection: tape.scalar("secondCorrection") };
      classifierUpdate(gradient, strengths, state, { rule: optimizer, classes, ...corrections });
      return {};
    });
    const evaluation = await compile(device, (tape) => {
      const { tables, logits } = record(tape, Math.min(evaluationRows, rows));
      tallyClassifiers(logits, tables, counts, classes);
      return {};
    });
    const compaction = await compile(device, (tape) => {
      const kept = tape.input("kept", u32(outputs));
      for (const tensor of Object.values(state)) copyInto(gatherRows(tensor, kept), tensor);
      return {};
    });
    return new ClassifierMachine(
      device,
      step,
      evaluation,
      compaction,
      [...Object.values(tensors), ...(features ? [features] : [])],
      counts,
      cuts,
      classes,
      contenders.length,
      new Map(folds.map((fold, at) => [fold, at])),
      resident ? null : all,
    );
  }

  /** One pass over `order`, the rows of all training sets, in the minibatches of `cuts`. */
  async pass(order: Uint32Array, live: readonly Contender[]): Promise<void> {
    const tables = { ...this.#tables(live), strengths: Float32Array.from(live, ({ strength }) => strength) };
    for (const [start, end] of this.cuts) {
      const batch = order.subarray(start, end);
      this.#updates++;
      this.step.run({
        inputs: { ...this.#minibatch(batch), ...(start === 0 && tables) },
        live: this.#live(batch, live),
        scalars: adamCorrections(this.#updates),
      });
      if (this.#updates % stepsInFlight === 0) await this.device.finish();
    }
    await this.device.finish();
  }

  /** u32 [live, 4] counts over `rows`, see `tallyClassifiers`. */
  async count(rows: Uint32Array, live: readonly Contender[]): Promise<Uint32Array> {
    const size = Math.min(evaluationRows, rows.length);
    for (let start = 0; start < rows.length; start += size) {
      const batch = rows.subarray(start, start + size);
      this.evaluation.run({
        inputs: { ...this.#minibatch(batch), ...this.#tables(live) },
        live: this.#live(batch, live),
        step: start / size,
      });
    }
    return new Uint32Array(await this.device.read(this.counts.window));
  }

  /** Moves the weights and moments of those that go on to the front. */
  keep(live: readonly Contender[], next: readonly Contender[]): void {
    if (next.length === live.length || next.length === 0) return;
    const kept = new Uint32Array(this.capacity * this.classes);
    next.forEach((contender, to) => {
      const from = live.indexOf(contender);
      for (let c = 0; c < this.classes; c++) kept[to * this.classes + c] = from * this.classes + c;
    });
    this.compaction.run({ inputs: { kept } });
  }

  close(): void {
    for (const program of [this.step, this.evaluation, this.compaction]) program.close();
    for (const { window } of this.tensors) window.buffer.destroy();
  }

  #tables(live: readonly Contender[]) {
    return { folds: Uint32Array.from(live, ({ fold }) => this.numbers.get(fold)!) };
  }

  #minibatch(batch: Uint32Array): Record<string, Uint32Array | Float32Array> {
    if (this.sent === null) return { batch };
    const { width, rows } = this.sent;
    const x = new Float32Array(batch.length * width);
    batch.forEach((row, at) => {
      x.set(rows.subarray(row * width, (row + 1) * width), at * width);
    });
    return { batch, x };
  }

  #live(batch: Uint32Array, live: readonly Contender[]) {
    return { batch: batch.length, classifiers: live.length, outputs: live.length * this.classes };
  }
}

/** Rows as the classifiers take them, f32 [rows, width]. */
interface Features {
  readonly width: number;
  readonly rows: Float32Array;
}

/** A tensor on the device that holds `data`. */
function hold(device: Device, name: string, { dtype, shape }: Type, data: Float32Array | Uint32Array): Persistent {
  const size = elementCount(shape) * bytesPerElement[dtype];
  const buffer = device.createBuffer(name, size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  device.gpu.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
  return { name, dtype, shape: shape as readonly number[], window: { buffer, offset: 0, size } };
}

function padded({ features, dimension, labels }: ClassifierData, width: number): Float32Array {
  const rows = new Float32Array(labels.length * width);
  for (let row = 0; row < labels.length; row++) {
    rows.set(features.subarray(row * dimension, (row + 1) * dimension), row * width);
    rows[row * width + dimension] = 1;
  }
  return rows;
}

function rolesOf(rows: number, folds: readonly Fold[]): Uint32Array {
  const [, width] = roleTable(rows, folds.length).shape as [number, number];
  const table = new Uint32Array(rows * width);
  for (const [at, fold] of folds.entries()) {
    for (const part of ["train", "dev", "test"] as const) for (const row of fold[part]) setRole(table, width, row, at, role[part]);
  }
  return table;
}

/** Weights and bias uniform in ±1/√dimension, as PyTorch's Linear has them; the same for every classifier. */
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
