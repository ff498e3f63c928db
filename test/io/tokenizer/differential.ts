/** Compares this package's ids with those of the official library, recorded by test/golden/tokenizer_definitions.py. */
import { SimcseError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";

type Ids = readonly number[] | null;

/** A definition with the ids of each text, whole and cut; null where the library refused. */
export interface DefinitionCase {
  readonly definition: object;
  readonly ids: readonly Ids[] | null;
  readonly cut: readonly Ids[] | null;
  /** The way to the value that was damaged. */
  readonly damage?: readonly (string | number)[];
}

export interface DefinitionCases {
  readonly cutTo: number;
  readonly texts: readonly string[];
  readonly cases: readonly DefinitionCase[];
}

/** The outcome of a definition. */
export interface Comparison {
  /** Texts that have the official ids, and texts that this package refuses. */
  readonly equal: number;
  readonly refused: number;
  /** Why the whole definition was refused. */
  readonly refusal: string | undefined;
  /** Each text with other ids, or with ids where the library has none. */
  readonly differences: readonly string[];
}

const UNCUT = 100_000;

export async function compare({ texts, cutTo }: DefinitionCases, { definition, ids, cut }: DefinitionCase): Promise<Comparison> {
  const opened = await attempt(() => loadTokenizer(new MemoryFolder("case", [["tokenizer.json", JSON.stringify(definition)]])));
  if (opened instanceof SimcseError) return { equal: 0, refused: texts.length, refusal: opened.message, differences: [] };
  if (ids === null) return { equal: 0, refused: 0, refusal: undefined, differences: ["taken, where the official library refuses it"] };
  let [equal, refused] = [0, 0];
  const differences: string[] = [];
  for (const [index, text] of texts.entries()) {
    for (const [length, expected] of [
      [UNCUT, ids[index]],
      [cutTo, cut?.[index]],
    ] as const) {
      const found = await attempt(async () => opened.encode(text, length));
      if (found instanceof SimcseError) refused++;
      else if (JSON.stringify(found) === JSON.stringify(expected)) equal++;
      else differences.push(`${JSON.stringify(text)} to ${length}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
    }
  }
  return { equal, refused, refusal: undefined, differences };
}

async function attempt<T>(work: () => Promise<T>): Promise<T | SimcseError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SimcseError) return error;
    throw error;
  }
}
