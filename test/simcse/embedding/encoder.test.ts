import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ClosedError, NonFiniteError, OptionError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { chunkSentences } from "../../../src/simcse/embedding/chunks.ts";
import { EncoderProgram } from "../../../src/simcse/embedding/encoder-program.ts";
import { decodeRows, encodeRows } from "../../../src/simcse/embedding/precision.ts";
import { toUnitLength } from "../../../src/simcse/embedding/unit-length.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = join(await temporaryFolder(), "model");
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
    await expect(model.encode("x", { precision: "int4" as "int8" })).rejects.toThrow('There is no precision "int4".');
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

describe("texts", () => {
  it("that are equal are computed once in a chunk", async () => {
    const submit = vi.spyOn(EncoderProgram.prototype, "submit");
    const seen: number[] = [];
    const [a, b] = tinySentences as [string, string];
    const { data } = await model.encode([a, b, a, a], { batchSize: 1, onProgress: (done) => seen.push(done) });
    expect(submit.mock.calls.map(([sentences]) => sentences.length)).toEqual([1, 1]);
    submit.mockRestore();
    const [first, second] = [plain.subarray(0, 32), plain.subarray(32, 64)];
    expect(data).toEqual(Float32Array.of(...first, ...second, ...first, ...first));
    expect(seen.at(-1)).toBe(4);
  });

  it("are taken from any iterable", async () => {
    function* generated() {
      yield* tinySentences;
    }
    for (const given of [generated(), new Set(tinySentences)]) expect((await model.encode(given)).data).toEqual(plain);
    expect((await model.similarity(new Set(tinySentences), generated())).length).toBe(6);
  });

  it.each<[string, unknown, string]>([
    ["undefined", undefined, "sentences must be texts, but is undefined"],
    ["null", null, "sentences must be texts, but is null"],
    ["42", 42, "sentences must be texts, but is the number 42"],
    ["an object", { a: 1 }, "sentences must be texts, but is an object with a"],
    ["[undefined]", [undefined], "sentences[0] must be a text, but is undefined"],
    ['["a", null]', ["a", null], "sentences[1] must be a text, but is null"],
    ['["a", 5]', ["a", 5], "sentences[1] must be a text, but is the number 5"],
    ['["a", NaN]', ["a", Number.NaN], "sentences[1] must be a text, but is the number NaN"],
    ['[["a", "b"]]', [["a", "b"]], "sentences[0] must be a text, but is an array of 2"],
  ])("are not %s", async (_, given, message) => {
    const encoded = model.encode(given as string[]);
    await expect(encoded).rejects.toThrow(OptionError);
    await expect(encoded).rejects.toThrow(message);
  });

  it("are counted over the chunks of a stream", async () => {
    async function* source() {
      for (let i = 0; i < chunkSentences + 1; i++) yield i === chunkSentences ? (null as unknown as string) : "a";
    }
    const taken = async () => {
      for await (const _ of model.encode(source(), { maxLength: 3 }));
    };
    await expect(taken()).rejects.toThrow(`sentences[${chunkSentences}] must be a text`);
  });

  it("as token ids must be the model's", async () => {
    const { encoder } = model;
    const ids = encoder.tokenizer.encode(tinySentences[0]!, 16);
    expect((await encoder.encodeTokens([ids])).data).toEqual(plain.subarray(0, 32));
    for (const bad of [-1, 1.5, Number.NaN, model.model.config.vocab_size])
      await expect(encoder.encodeTokens([ids, [ids[0]!, bad]])).rejects.toThrow(`Token 1 of sentence 1 is ${bad}`);
    for (const bad of ["a text", null, 5] as never[]) await expect(encoder.encodeTokens([bad])).rejects.toThrow("Sentence 0 must be");
    for (const encode of ["encodeTokens", "tokenizeAll"] as const)
      await expect(encoder[encode]("a text" as never)).rejects.toThrow("are one text");
    for (const bad of [[], Array<number>(41).fill(5)]) await expect(encoder.encodeTokens([bad])).rejects.toThrow(OptionError);
  });
});

it("refuses an unknown option of every call, with the nearest", async () => {
  const unknown = { maxlength: 3 } as object;
  await expect(model.encode("x", unknown)).rejects.toMatchObject({ remedy: expect.stringContaining("Did you mean maxLength?") });
  await expect(model.encode(["x"], unknown)).rejects.toThrow(OptionError);
  await expect(model.similarity("x", "y", unknown)).rejects.toThrow(OptionError);
  await expect(model.buildIndex(["x"], unknown)).rejects.toThrow(OptionError);
  await expect(SimCSE.loadFrom(device, await openFolder(folder), { poolr: "avg" } as object)).rejects.toMatchObject({
    remedy: expect.stringContaining("Did you mean pooler?"),
  });
});

it("needs few programs for many lengths and batches, and stays right", async () => {
  const { counters } = device;
  const long = `${tinySentences.join(" ")} `.repeat(2);
  for (let maxLength = 17; maxLength <= 40; maxLength++) await model.encode(long, { maxLength });
  const before = counters.buffers;
  for (let maxLength = 17; maxLength <= 40; maxLength++) await model.encode(long, { maxLength });
  expect(counters.buffers).toBe(before);
  for (const batchSize of [5, 9, 17, 33, 65]) expect((await model.encode(tinySentences, { batchSize })).data).toEqual(plain);
  expect((await model.encode(tinySentences)).data).toEqual(plain);
});

it("names weights that are not finite", async () => {
  await using damaged = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg", maxLength: 16 });
  damaged.model.store.write("bert.encoder.layer.0.output.dense.bias", Float32Array.of(Number.NaN), 0);
  await expect(damaged.encode(["a", "b"])).rejects.toThrow(NonFiniteError);
});

it("throws an error of its own once it is closed, and leaves the device to others", async () => {
  const closed = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg", maxLength: 16 });
  closed.close();
  await expect(closed.encode("x")).rejects.toThrow(ClosedError);
  await expect(closed.buildIndex(["x"])).rejects.toThrow(ClosedError);
  expect((await model.encode(tinySentences)).data).toEqual(plain);
});

describe("a stream", () => {
  const count = 3 * chunkSentences + 5;
  /** The chunk that is given, the one that is computed meanwhile, and the one that is tokenised. */
  const ahead = 3 * chunkSentences;
  let given = 0;
  async function* source(): AsyncGenerator<string> {
    for (given = 0; given < count; ) yield tinySentences[given++ % 6]!;
  }

  it("gives every sentence's own vector, in order, and is read little faster than it is taken", async () => {
    let taken = 0;
    const progress: number[] = [];
    const lengths: number[] = [];
    for await (const { sentences, data, length } of model.encode(source(), { onProgress: (done) => progress.push(done), batchSize: 64 })) {
      expect(length).toBe(sentences.length);
      expect(given).toBeLessThanOrEqual(taken + ahead);
      for (const row of [0, 1, length - 1]) {
        const original = (taken + row) % 6;
        expect(sentences[row]).toBe(tinySentences[original]);
        expect(data.subarray(row * 32, row * 32 + 32)).toEqual(plain.subarray(original * 32, original * 32 + 32));
      }
      taken += length;
      lengths.push(length);
    }
    expect(lengths).toEqual([chunkSentences / 4, chunkSentences / 2, chunkSentences, chunkSentences, chunkSentences / 4 + 5]);
    expect(progress.at(-1)).toBe(count);
  });

  it("ends its source when the taker has enough", async () => {
    for await (const _ of model.encode(source())) break;
    expect(given).toBeLessThanOrEqual(ahead);
  });
});
