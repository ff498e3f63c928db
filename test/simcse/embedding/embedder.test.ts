/** `encode` in all its forms: every option against the plain vectors, and streams that are read no faster than they are taken. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { decodeRows, encodeRows } from "../../../src/simcse/embedding/precision.ts";
import { toUnitLength } from "../../../src/simcse/embedding/unit-length.ts";
import { windowSentences } from "../../../src/simcse/embedding/windows.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = join(await temporaryFolder(), "model");
await mkdir(folder);
await writeTinyModel(folder);
const model = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg", batchSize: 4, maxLength: 16 });
afterAll(() => model.close());

const plain = (await model.encode(tinySentences)).data;
const raw = (await model.encode(tinySentences, { normalize: false })).data;

/** f32 numbers of size 1 that were rounded a few times. */
function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(actual[i]).toBeCloseTo(expected[i]!, 6);
}

describe("options of a call", () => {
  it("normalize, over what the model was loaded with, both ways", async () => {
    expectNear(toUnitLength(raw, 32), plain);
    expect(Math.hypot(...raw.subarray(0, 32))).not.toBeCloseTo(1, 2);
    await using unscaled = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg", maxLength: 16, normalize: false });
    expect((await unscaled.encode(tinySentences)).data).toEqual(raw);
    expectNear((await unscaled.encode(tinySentences, { normalize: true })).data, plain);
  });

  it("truncateDim, scaled to unit length after the cut", async () => {
    const { dimension, data } = await model.encode(tinySentences, { truncateDim: 7 });
    expect(dimension).toBe(7);
    const cut = Float32Array.from({ length: 6 * 7 }, (_, i) => raw[Math.floor(i / 7) * 32 + (i % 7)]!);
    expectNear(data, toUnitLength(cut, 7));
    expect((await model.encode(tinySentences, { truncateDim: 7, normalize: false })).data).toEqual(cut);
    for (const truncateDim of [0, 33, 1.5]) await expect(model.encode(["x"], { truncateDim })).rejects.toThrow(OptionError);
  });

  it("precision, as the table of precisions has it", async () => {
    for (const precision of ["f16", "int8", "binary"] as const) {
      const { data, scales, dimension, length } = await model.encode(tinySentences, { precision });
      expect({ data, ...(scales && { scales }) }).toEqual(encodeRows(precision, plain, 32));
      expect([length, dimension]).toEqual([6, 32]);
    }
    const int8 = await model.encode(tinySentences, { precision: "int8" });
    // Half a step of 1/127 of the largest number.
    decodeRows("int8", int8, 32).forEach((value, i) => {
      expect(Math.abs(value - plain[i]!)).toBeLessThanOrEqual(int8.scales![Math.floor(i / 32)]! * 0.501);
    });
    expect(await model.encode(tinySentences[0]!, { precision: "binary" })).toBeInstanceOf(Uint8Array);
  });

  it("maxLength and batchSize, smaller and larger than the model was loaded with", async () => {
    const short = await model.encode(tinySentences[0]!, { maxLength: 5 });
    expect(short).toEqual(await model.encode(tinySentences[0]!.slice(0, 12), { maxLength: 5 }));
    expect(short).not.toEqual(plain.subarray(0, 32));
    for (const batchSize of [1, 3, 50]) expect((await model.encode(tinySentences, { batchSize })).data).toEqual(plain);
    const long = tinySentences.join(" ");
    const whole = await model.encode(long, { maxLength: 40 });
    expect(whole).not.toEqual(await model.encode(long));
    await expect(model.encode("x", { maxLength: 41 })).rejects.toThrow(OptionError);
    await expect(model.encode("x", { batchSize: 0 })).rejects.toThrow(OptionError);
    await expect(model.encode("x", { precision: "int4" as "int8" })).rejects.toThrow("There is no precision int4.");
    await expect(model.buildIndex(["x"], { precision: "int4" as "int8" })).rejects.toThrow(OptionError);
  });

  it("onProgress and signal", async () => {
    const seen: number[] = [];
    const controller = new AbortController();
    await model.encode(tinySentences, { onProgress: (done) => seen.push(done), batchSize: 2 });
    expect(seen).toEqual([2, 4, 6]);
    const stopped = model.encode(tinySentences, { onProgress: () => controller.abort(), batchSize: 2, signal: controller.signal });
    await expect(stopped).rejects.toThrow("aborted");
  });
});

describe("a stream", () => {
  const count = 2 * windowSentences + 5;
  let given = 0;
  async function* source(): AsyncGenerator<string> {
    for (given = 0; given < count; ) yield tinySentences[given++ % 6]!;
  }

  it("gives every sentence's own vector, in order, and is read only as it is taken", async () => {
    let taken = 0;
    const progress: number[] = [];
    for await (const { sentences, data, length } of model.encode(source(), { onProgress: (done) => progress.push(done), batchSize: 64 })) {
      expect(length).toBe(sentences.length);
      expect(given).toBeLessThanOrEqual(taken + windowSentences);
      for (const row of [0, 1, length - 1]) {
        const original = (taken + row) % 6;
        expect(sentences[row]).toBe(tinySentences[original]);
        expect(data.subarray(row * 32, row * 32 + 32)).toEqual(plain.subarray(original * 32, original * 32 + 32));
      }
      taken += length;
    }
    expect(taken).toBe(count);
    expect(progress.at(-1)).toBe(count);
  });

  it("ends its source when the taker has enough", async () => {
    for await (const _ of model.encode(source())) break;
    expect(given).toBe(windowSentences);
  });
});
