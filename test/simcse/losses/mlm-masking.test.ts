import { describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { mlmMasking } from "../../../src/simcse/losses/mlm-masking.ts";

const options = { probability: 0.15, maskId: 4, vocabularySize: 1000, specialIds: new Set([0, 1, 2, 3, 4]) };
const sentence = Uint32Array.from({ length: 34 }, (_, i) => (i === 0 ? 2 : i === 33 ? 3 : 10 + i));

describe("mlmMasking", () => {
  it("chooses and replaces in the proportions of BERT", () => {
    const mask = mlmMasking(42, options);
    const counts = { chosen: 0, masked: 0, kept: 0, replaced: 0 };
    const replacements = new Set<number>();
    const sentences = 4000;
    for (let i = 0; i < sentences; i++) {
      const { ids, positions, labels } = mask(sentence, Math.floor(i / 64), i % 64);
      counts.chosen += positions.length;
      positions.forEach((position, at) => {
        expect(labels[at]).toBe(sentence[position]);
        if (ids[position] === options.maskId) counts.masked++;
        else if (ids[position] === sentence[position]) counts.kept++;
        else {
          counts.replaced++;
          replacements.add(ids[position]!);
        }
      });
      const chosen = new Set(positions);
      for (const [position, id] of ids.entries()) if (!chosen.has(position)) expect(id).toBe(sentence[position]);
    }
    const tokens = sentences * 32;
    // Binomial: four standard deviations.
    const within = (count: number, of: number, p: number) => expect(Math.abs(count - of * p)).toBeLessThan(4 * Math.sqrt(of * p * (1 - p)));
    within(counts.chosen, tokens, 0.15);
    within(counts.masked, counts.chosen, 0.8);
    within(counts.kept, counts.chosen, 0.1);
    within(counts.replaced, counts.chosen, 0.1);
    expect(replacements.size).toBeGreaterThan(700); // Of 1000 tokens, some 1900 draws leave out 15 %.
  });

  it("never chooses a special token", () => {
    const mask = mlmMasking(1, { ...options, probability: 1 });
    const { positions } = mask([2, 9, 1, 8, 3], 0, 0);
    expect([...positions]).toEqual([1, 3]);
    expect(mask([2, 3], 0, 0)).toEqual({ ids: Uint32Array.of(2, 3), positions: new Uint32Array(), labels: new Uint32Array() });
  });

  it("depends on seed, step, sentence and position alone", () => {
    const mask = mlmMasking(42, options);
    const first = mask(sentence, 3, 5);
    mask(sentence, 9, 9);
    expect(mlmMasking(42, options)(sentence, 3, 5)).toEqual(first);
    for (const other of [mask(sentence, 4, 5), mask(sentence, 3, 6), mlmMasking(43, options)(sentence, 3, 5)])
      expect(other).not.toEqual(first);
    // A sentence that is cut later is masked the same up to there.
    const { positions } = mask(sentence.subarray(0, 20), 3, 5);
    expect([...positions]).toEqual([...first.positions].filter((position) => position < 20));
  });

  it("refuses what cannot be", () => {
    expect(() => mlmMasking(1, { ...options, probability: 1.5 })).toThrow(OptionError);
    expect(() => mlmMasking(1, { ...options, probability: 0 })).toThrow("masks nothing");
    expect(() => mlmMasking(1, { ...options, maskId: 1000 })).toThrow("not in a vocabulary of 1000");
  });
});
