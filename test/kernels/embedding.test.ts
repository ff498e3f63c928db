import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { embedding, gatherOrder, gatherRuns } from "../../src/kernels/embedding.ts";
import { f32, float } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/embedding.ts";
import { expectAdjoint, expectClose, expectSame } from "./close.ts";
import { integers, normals } from "./data.ts";
import { batchInputs, batchOfRows, batchStep } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

const vocabulary = 211;
const positions = 64;
const types = 2;
const capacity = { tokens: 1003, sentences: 40 };

/** The rows of a batch sorted by id, and the run of each id. */
function gatherIndex(ids: ArrayLike<number>): { order: Uint32Array; runs: Uint32Array } {
  const order = [...Array(ids.length).keys()].sort((a, b) => ids[a]! - ids[b]! || a - b);
  const runs: [id: number, start: number, length: number, unused: number][] = [];
  order.forEach((row, at) => {
    if (runs.at(-1)?.[0] !== ids[row]!) runs.push([ids[row]!, at, 0, 0]);
    runs.at(-1)![2]++;
  });
  return { order: Uint32Array.from(order), runs: Uint32Array.from(runs.flat()) };
}

function record(width: number) {
  return build(device, (tape) => {
    const batch = batchInputs(tape, capacity);
    const table = (name: string, rows: number) => tape.input(name, f32(rows, width));
    const tables = { word: table("word", vocabulary), position: table("position", positions), tokenType: table("tokenType", types) };
    const index = (name: string, rows: number) => ({
      order: tape.input(`${name}Order`, gatherOrder(tape.extent("tokens", capacity.tokens))),
      runs: tape.input(`${name}Runs`, gatherRuns(tape.extent(`${name}s`, rows))),
    });
    const y = embedding(batch.tokens, tables, { word: index("word", vocabulary), position: index("position", positions) });
    const [, word, position, tokenType] = adjoint(y, tape.input("dy", y));
    return { y, word: word!, position: position!, tokenType: tokenType! };
  });
}

/** A batch of so many rows, whose ids repeat often: they are drawn from few. */
function batchWith(rows: number, distinctIds: number) {
  const batch = batchOfRows(rows, 31);
  const ids = integers(rows, distinctIds, rows).map((id) => (id * 7) % vocabulary);
  const tokens = batch.tokens.map((word, i) => (i % 4 === 0 ? ids[i / 4]! : word));
  const positionIds = Uint32Array.from({ length: rows }, (_, row) => tokens[row * 4 + 1]!);
  const [word, position] = [gatherIndex(ids), gatherIndex(positionIds)];
  const step = batchStep({ ...batch, tokens });
  return {
    ids,
    positions: positionIds,
    inputs: {
      ...step.inputs,
      wordOrder: word.order,
      wordRuns: word.runs,
      positionOrder: position.order,
      positionRuns: position.runs,
    },
    live: { ...step.live, words: word.runs.length / 4, positions: position.runs.length / 4 },
  };
}

const tables = (width: number) => ({
  word: normals(vocabulary * width, 62),
  position: normals(positions * width, 63),
  tokenType: normals(types * width, 64),
});

describe("embedding", () => {
  it.each([1, 7, 57, 1001, 4, 64])("equals the float64 reference, forward and backward, at width %i", async (width) => {
    const program = await record(width);
    for (const rows of width > 1000 ? [57, 1] : [1001, 57, 7, 1]) {
      const batch = batchWith(rows, 40);
      const { word, position, tokenType } = tables(width);
      const dy = normals(rows * width, 65);
      const outputs = await execute(program, { live: batch.live, inputs: { ...batch.inputs, word, position, tokenType, dy } });
      const f = (w: ArrayLike<number>, p: ArrayLike<number>, t: ArrayLike<number>) => reference.embedding({ width, ...batch }, w, p, t);
      expectClose(outputs.y!, f(word, position, tokenType));
      // At most all rows are summed into one: of the first token type, or of one id.
      const sums = { terms: rows, scale: Math.sqrt(rows), samples: 6 };
      expectAdjoint(outputs.word!, word, dy, (at) => f(at, position, tokenType), sums);
      expectAdjoint(outputs.position!, position, dy, (at) => f(word, at, tokenType), sums);
      expectAdjoint(outputs.tokenType!, tokenType, dy, (at) => f(word, position, at), sums);
      const unused = Array.from({ length: vocabulary }, (_, id) => id).filter((id) => !batch.ids.includes(id));
      for (const id of unused) expectSame(outputs.word!.subarray(id * width, (id + 1) * width), new Float32Array(width));
    }
    program.close();
  });

  it("adds only the tables that a model has", async () => {
    const width = 12;
    const batch = batchWith(57, 40);
    const zeros = { position: new Float32Array(positions * width), tokenType: new Float32Array(types * width) };
    for (const names of [[], ["position"], ["tokenType"]] as const) {
      const program = await build(device, (tape) => {
        const { tokens } = batchInputs(tape, capacity);
        const input = (name: string, rows: number) => tape.input(name, f32(rows, width));
        const others = Object.fromEntries(names.map((name) => [name, input(name, name === "position" ? positions : types)]));
        return { y: embedding(tokens, { word: input("word", vocabulary), ...others }) };
      });
      const values = { ...zeros, ...Object.fromEntries(names.map((name) => [name, tables(width)[name]])) };
      const { word } = tables(width);
      const given = Object.fromEntries(names.map((name) => [name, values[name]]));
      const { y } = await execute(program, { live: { tokens: 57 }, inputs: { tokens: batch.inputs.tokens, word, ...given } });
      expectClose(y!, reference.embedding({ width, ...batch }, word, values.position, values.tokenType));
      program.close();
    }
  });

  it("counts one row of a table for each token, in the type that it is stored in", async () => {
    const width = 12;
    const program = await build(device, (tape) => {
      const word = tape.input("word", float("f16", vocabulary, width));
      const position = tape.input("position", f32(positions, width));
      return { y: embedding(batchInputs(tape, capacity).tokens, { word, position }) };
    });
    expect(program.work()[0]!.bytes).toBe(capacity.tokens * (16 + (2 + 4 + 4) * width));
    program.close();
  });

  it("sums the rows of an id in the same order again: the same bits", async () => {
    const width = 57;
    const program = await record(width);
    const batch = batchWith(1001, 3);
    const inputs = { ...batch.inputs, ...tables(width), dy: normals(1001 * width, 66) };
    const first = await execute(program, { live: batch.live, inputs });
    const again = await execute(program, { live: batch.live, inputs });
    for (const name of ["word", "position", "tokenType"]) expectSame(again[name]!, first[name]!);
    program.close();
  });

  it("needs the gather indices for its gradient only", async () => {
    await build(device, (tape) => {
      const batch = batchInputs(tape, capacity);
      const table = (name: string) => tape.input(name, f32(8, 4));
      const y = embedding(batch.tokens, { word: table("word"), position: table("position"), tokenType: table("tokenType") });
      expect(() => adjoint(y, tape.input("dy", y))).toThrow(ShapeError);
      return { y };
    });
  });
});
