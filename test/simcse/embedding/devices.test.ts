/** Several devices encode with the bits of one, in the same order, and do without one that is lost. */
import { expect, it } from "vitest";
import { openDevice } from "../../../src/gpu/node.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { OtherDevices } from "../../../src/simcse/embedding/other-devices.ts";
import { SimCSE } from "../../../src/simcse/simcse.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

it("vectors, order and progress are those of one device, also when the other is lost; a damaged row is named", async () => {
  const device = await openTestDevice();
  const other = await openDevice();
  const path = await temporaryFolder();
  await writeTinyModel(path, { config: { simcse: { pooler_type: "avg", max_seq_length: 24 } } });
  const folder = await openFolder(path);
  const texts = Array.from({ length: 99 }, (_, i) => (i === 50 ? "" : `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 20)]}`));
  await using one = await SimCSE.loadFrom(device, folder);
  await using two = await SimCSE.loadFrom(device, folder, { devices: [device, other], batchSize: 8 });
  const wanted = await one.encode(texts);
  const { submits } = other.counters;
  const progress: number[] = [];
  expect(await two.encode(texts, { onProgress: (done) => void progress.push(done) })).toEqual(wanted);
  expect(other.counters.submits).toBeGreaterThan(submits);
  expect(progress.toSorted((a, b) => a - b)).toEqual(progress);
  expect(progress.at(-1)).toBe(texts.length);
  const unknown = one.encoder.tokenize("東").ids[1]!;
  one.model.store.write("bert.embeddings.word_embeddings.weight", Float32Array.of(Number.NaN), unknown * 32);
  await one.encoder.shareWith([other]);
  await expect(one.encode(texts.with(70, "東"))).rejects.toThrow("vector of sentence 70 is not finite");
  one.encoder.encodeAlone();
  const going = two.encode(texts);
  setTimeout(() => other.gpu.destroy());
  expect(await going).toEqual(wanted);
  expect(await two.encode(texts)).toEqual(wanted);
  await expect(SimCSE.loadFrom(device, folder, { devices: device as never })).rejects.toThrow("`devices` must be a list of devices.");
  other.close();
});

it("a call that is not shared is encoded as it is, without another copy of its vectors", async () => {
  const sentences = [3, 1, 2].map((length) => ({ ids: new Uint32Array(length), promptTokens: 0 }));
  const vectors = new Float32Array(6);
  const progress: number[] = [];
  const shared = await new OtherDevices([]).share(sentences, vectors, {
    options: { onProgress: (done) => void progress.push(done) },
    encode: async (given, place, onProgress) => {
      expect(given).toBe(sentences);
      onProgress(3);
      return place;
    },
  });
  expect(shared).toBe(vectors);
  expect(progress).toEqual([3]);
});
