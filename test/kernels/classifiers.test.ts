import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  adamCorrections,
  classifierGradient,
  classifierUpdate,
  role,
  roleTable,
  setRole,
  tallyClassifiers,
  tallyTable,
  type UpdateRule,
} from "../../src/kernels/classifiers.ts";
import { f32, u32 } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/classifiers.ts";
import { labelledFeatures } from "../simcse/evaluation/classifiers/labelled-features.ts";
import { uniform } from "../uniform.ts";
import { expectClose } from "./close.ts";
import { integers, laidOut, normals } from "./data.ts";
import { build, execute, tensor } from "./run.ts";

const device = await openTestDevice();

/** A table of 40 rows in random roles for 19 folds, which take two words a row, and labels. */
function tables(classes: number) {
  const labels = integers(40, classes, 81);
  const parts = integers(40 * 19, 4, 82);
  const shape = roleTable(40, 19).shape as [number, number];
  const roles = new Uint32Array(shape[0] * shape[1]);
  for (let row = 0; row < 40; row++) for (let fold = 0; fold < 19; fold++) setRole(roles, shape[1], row, fold, parts[row * 19 + fold]!);
  return {
    labels,
    part: (row: number, fold: number) => parts[row * 19 + fold]!,
    held: { labels: tensor(device, [40], labels), roles: tensor(device, shape, roles) },
  };
}

/** Live sizes of programs with room for 37 rows and 75 classifiers. */
const sizes = [
  { rows: 37, classifiers: 75 },
  { rows: 7, classifiers: 57 },
  { rows: 1, classifiers: 1 },
];

describe.each([2, 3, 6])("of %i classes", (classes) => {
  const { labels, part, held } = tables(classes);
  const step = ({ rows, classifiers }: (typeof sizes)[number]) => {
    const logits = normals(rows * classifiers * classes, 83, { deviation: 3 });
    const batch = integers(rows, 40, 84);
    const folds = integers(classifiers, 19, 85);
    const of = (r: number, k: number) => Array.from({ length: classes }, (_, c) => logits[(r * classifiers + k) * classes + c]!);
    const inputs = { logits: laidOut(logits, classifiers * classes, 75 * classes), batch, folds };
    return { of, batch, folds, run: { inputs, live: { rows, outputs: classifiers * classes, classifiers } } };
  };
  const record = (tape: Parameters<Parameters<typeof build>[1]>[0]) => ({
    logits: tape.input("logits", f32(tape.extent("rows", 37), tape.extent("outputs", 75 * classes))),
    tables: {
      ...held,
      batch: tape.input("batch", u32(tape.extent("rows", 37))),
      folds: tape.input("folds", u32(tape.extent("classifiers", 75))),
    },
  });

  it("classifierGradient equals the float64 reference, and is zero for rows that a fold does not train on", async () => {
    const program = await build(device, (tape) => {
      const { logits, tables } = record(tape);
      return { delta: classifierGradient(logits, tables, classes) };
    });
    for (const size of sizes) {
      const { of, batch, folds, run } = step(size);
      const { delta } = await execute(program, run);
      for (const k of [0, size.classifiers - 1]) {
        const rows = [...batch.keys()];
        const expected = reference.logitGradient(
          rows.map((r) => of(r, k)),
          rows.map((r) => labels[batch[r]!]!),
          rows.map((r) => part(batch[r]!, folds[k]!) === role.train),
        );
        const actual = rows.flatMap((r) => [...delta!.subarray((r * 75 + k) * classes, (r * 75 + k + 1) * classes)]);
        // exp of WGSL to 3 + 2|x| ulp, with logits some 10 apart.
        expectClose(actual, expected.flat(), { c: 32, scale: 1 / size.rows });
      }
    }
    program.close();
  });

  it("tallyClassifiers counts over several minibatches, from nothing at step 0", async () => {
    const counts = tensor(device, tallyTable(75).shape, new Uint32Array(75 * 4).fill(99));
    const program = await build(device, (tape) => {
      const { logits, tables } = record(tape);
      tallyClassifiers(logits, tables, counts, classes);
      return {};
    });
    const size = sizes[0]!;
    const { of, batch, folds, run } = step(size);
    for (let at = 0; at < 3; at++) program.run({ ...run, step: at });
    const actual = new Uint32Array(await device.read(counts.window));
    for (let k = 0; k < size.classifiers; k++) {
      const expected = [0, 0, 0, 0];
      for (const [r, row] of batch.entries()) {
        const chosen = reference.choice(of(r, k));
        const right = chosen === labels[row] ? 3 : 0;
        const where = part(row, folds[k]!);
        if (where === role.dev) expected[0]! += right;
        if (where !== role.test) continue;
        expected[1]! += right;
        expected[2]! += chosen === 1 ? 3 : 0;
        expected[3]! += chosen === 1 ? right : 0;
      }
      expect([...actual.subarray(k * 4, k * 4 + 4)]).toEqual(expected);
    }
    program.close();
  });
});

interface GoldenSteps {
  readonly rule: UpdateRule;
  readonly classes: number;
  readonly dimension: number;
  readonly batch: number;
  readonly count: number;
  readonly weights: readonly number[][];
}

const goldens = (JSON.parse(readFileSync(new URL("../golden/classifiers.json", import.meta.url), "utf8")) as { steps: GoldenSteps[] })
  .steps;

describe("a step equals PyTorch's", () => {
  it.each(goldens)("$rule, $classes classes, $dimension features", async ({ rule, classes, dimension, batch, count, weights }) => {
    const { x, labels } = labelledFeatures(11, batch * count, dimension, classes, 0.5);
    const width = dimension + 1;
    const rows = Float32Array.from({ length: batch * count * width }, (_, i) =>
      i % width === dimension ? 1 : x[Math.floor(i / width) * dimension + (i % width)]!,
    );
    const strengths = Float32Array.of(1e-5, 1e-4, 1e-3, 1e-2);
    const start = Float32Array.from(uniform(17, classes * width));
    const zeros = () => tensor(device, [4 * classes, width], new Float32Array(4 * classes * width));
    const held = tensor(device, [4 * classes, width], Float32Array.from([...start, ...start, ...start, ...start]));
    const roles = new Uint32Array(batch * count).fill(role.train);
    const tables = {
      labels: tensor(device, [labels.length], labels),
      roles: tensor(device, roleTable(labels.length, 1).shape, roles),
    };
    const program = await build(device, (tape) => {
      const features = tape.input("x", f32(batch, width));
      const held4 = { ...tables, batch: tape.input("batch", u32(batch)), folds: tape.input("folds", u32(4)) };
      const delta = classifierGradient(matmul(features, held, "nt"), held4, classes);
      classifierUpdate(
        matmul(delta, features, "tn"),
        tape.input("strengths", f32(4)),
        { weights: held, first: zeros(), second: zeros() },
        {
          rule,
          classes,
          firstCorrection: tape.scalar("firstCorrection"),
          secondCorrection: tape.scalar("secondCorrection"),
        },
      );
      return {};
    });
    for (let i = 0; i < count; i++) {
      program.run({
        inputs: {
          x: rows.slice(i * batch * width, (i + 1) * batch * width),
          batch: Uint32Array.from({ length: batch }, (_, r) => i * batch + r),
          folds: new Uint32Array(4),
          strengths,
        },
        scalars: rule === "adam" ? adamCorrections(i + 1) : {},
      });
    }
    const actual = new Float32Array(await device.read(held.window));
    // Adam and RMSprop divide by the root of the second moment: a gradient's relative error, a few roundings of its terms, moves on to the
    // step, and steps add up.
    expectClose(actual, weights.flat(), { c: 16, terms: count });
    program.close();
  });
});
