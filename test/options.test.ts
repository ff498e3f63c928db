/** Options of library calls: unknown names are refused, with the nearest known one. */
import { expect, it } from "vitest";
import { OptionError } from "../src/errors.ts";
import { checkChoice, checkOptions, nearestName, type OptionNames, splitOptions } from "../src/options.ts";

interface Options {
  readonly topK?: number;
  readonly threshold?: number;
  readonly signal?: AbortSignal;
}

const names: OptionNames<Options> = { topK: true, threshold: true, signal: true };
const refused = (given: unknown) => {
  try {
    checkOptions("search", given as Options, names);
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError);
    const { message, remedy } = error as OptionError;
    return `${message} ${remedy}`;
  }
  return null;
};

it("takes options whose names are known, given or not", () => {
  expect(refused({})).toBeNull();
  expect(refused({ topK: 3, threshold: undefined })).toBeNull();
});

it("refuses another name, and suggests the nearest", () => {
  expect(refused({ topK: 3, treshold: 0.5 })).toBe(
    'search has no option "treshold". Did you mean threshold? It takes topK, threshold, signal.',
  );
  expect(refused({ colour: 1 })).toBe('search has no option "colour". It takes topK, threshold, signal.');
  expect(refused({ constructor: 1 })).toContain('no option "constructor"');
});

it("refuses what is not an object of options", () => {
  for (const given of [null, 5, "topK", [1]]) expect(refused(given)).toContain("must be an object");
});

it("refuses another kind of value for the options that every call means alike", () => {
  expect(refused({ signal: 5 })).toBe("The option signal of search must be an AbortSignal, but is 5. Give such a value, or leave it out.");
  expect(refused({ signal: AbortSignal.timeout(1) })).toBeNull();
});

it("splits options, without those that are undefined, so that these replace no default", () => {
  const given = { topK: 3, threshold: undefined, other: 1, another: undefined };
  expect(splitOptions<object, object>(given, names)).toEqual([{ topK: 3 }, { other: 1 }]);
  expect(splitOptions<object, object>(given, names).flatMap(Object.keys)).toEqual(["topK", "other"]);
  expect(() => splitOptions(null as never, names)).toThrow("The options must be an object, but are null.");
});

it.each([
  ["top_k", "topK"],
  ["TOPK", "topK"],
  ["thresh", "threshold"],
  ["max-length", undefined],
  ["k", undefined],
])("nearest to %s is %s", (name, near) => {
  expect(nearestName(name, Object.keys(names))).toBe(near);
});

it("refuses what is none of a table's names, properties of objects too", () => {
  expect(() => checkChoice("colour", "red", ["red", "blue"])).not.toThrow();
  for (const value of ["constructor", "", 5, null, undefined, ["red"]])
    expect(() => checkChoice("colour", value, ["red", "blue"])).toThrow(OptionError);
  expect(() => checkChoice("colour", "Red", ["red", "blue"])).toThrow('There is no colour "Red".');
});
