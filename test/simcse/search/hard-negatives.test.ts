import { describe, expect, it } from "vitest";
import { type HardNegativeOptions, mineHardNegatives } from "../../../src/simcse/search/hard-negatives.ts";
import { openTestDevice } from "../../device.ts";

const device = await openTestDevice();

/** A text is an angle in degrees: cosines are those of differences of angles. Letters tell texts of one angle apart. */
const encode = async (texts: string[]) =>
  Float32Array.from(texts.flatMap((text) => [Math.cos(parseFloat(text) * (Math.PI / 180)), Math.sin(parseFloat(text) * (Math.PI / 180))]));
const mine = (pairs: [string, string][], options: Partial<HardNegativeOptions> = {}) =>
  mineHardNegatives(pairs, { encode, device, ...options });

describe("mineHardNegatives", () => {
  it("takes the nearest text that is further away than the positive by the margin", async () => {
    const pairs: [string, string][] = [
      ["0a", "20b"],
      ["90a", "95b"],
      ["200a", "210b"],
    ];
    const { triplets, without } = await mine(pairs, { corpus: ["22c", "40c", "91c", "110c"] });
    // 22 is nearer than the margin allows, and 91 nearer than the positive itself; 200 has nothing that is near.
    expect(triplets.map(({ negative }) => negative)).toEqual(["40c", "110c", "110c"]);
    expect(without).toBe(0);
    expect(triplets[0]!.positiveCosine).toBeCloseTo(Math.cos((20 * Math.PI) / 180), 6);
    expect(triplets[0]!.negativeCosine).toBeCloseTo(Math.cos((40 * Math.PI) / 180), 6);
  });

  it("never takes the anchor or any of its positives", async () => {
    const pairs: [string, string][] = [
      ["0a", "12b"],
      ["0a", "30b"],
      ["5a", "0a"],
    ];
    const { triplets, without } = await mine(pairs, { margin: 0 });
    // 0a stands among the candidates, as the positive of 5a.
    expect(triplets).toEqual([expect.objectContaining({ anchor: "5a", positive: "0a", negative: "12b" })]);
    expect(without).toBe(2);
  });

  it("skips, looks so deep, and gives several a pair", async () => {
    const corpus = ["30c", "40c", "50c", "60c", "70c"];
    const of = async (options: Partial<HardNegativeOptions>) =>
      (await mine([["0a", "10b"]], { corpus, ...options })).triplets.map(({ negative }) => negative);
    expect(await of({ negatives: 2 })).toEqual(["30c", "40c"]);
    expect(await of({ negatives: 9, depth: 9, skip: 2 })).toEqual(["50c", "60c", "70c"]);
    expect(await of({ negatives: 2, depth: 2, maxScore: 0.7 })).toEqual([]);
    expect(await of({ maxScore: 0.7 })).toEqual(["50c"]);
  });

  it.each([
    [{ negatives: 0 }, /negatives/],
    [{ skip: -1 }, /skip/],
    [{ negatives: 3, depth: 2 }, /depth/],
    [{ skip: 990, depth: 20 }, /1010/],
    [{ margin: Number.NaN }, /margin/],
    [{ margn: 1 } as object, /margn/],
  ] satisfies [Partial<HardNegativeOptions>, RegExp][])("refuses %o", async (options, message) => {
    await expect(mine([["0a", "10b"]], options)).rejects.toThrow(message);
  });

  it("refuses no pairs, and stops when asked to", async () => {
    await expect(mine([])).rejects.toThrow("no pairs");
    await expect(mine([["0a", "10b"]], { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});
