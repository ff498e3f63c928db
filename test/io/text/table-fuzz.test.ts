/** Damaged tables: any bytes give rows or an error of this package, in a short time. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { SimcseError } from "../../../src/errors.ts";
import { openExamples } from "../../../src/io/examples.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { fileSource } from "../../../src/io/text/source.ts";
import { stream } from "../../../src/nn/random.ts";

const golden = JSON.parse(readFileSync("test/golden/tables.json", "utf8")) as Readonly<Record<string, { readonly bytes: string }>>;

/** How many examples there are, or the error of this package. */
async function outcome(name: string, content: Uint8Array): Promise<number | SimcseError> {
  try {
    let count = 0;
    const { examples } = await openExamples(fileSource(new MemoryFolder("data", [[name, content]]), name));
    for await (const { texts } of examples) {
      expect(texts.every((text) => typeof text === "string")).toBe(true);
      count++;
    }
    return count;
  } catch (error) {
    if (error instanceof SimcseError) return error;
    throw new Error(`${name}: ${error}`, { cause: error });
  }
}

it.each(Object.entries(golden))("%s with bytes changed, cut out and doubled", async (name, { bytes }) => {
  const whole = Uint8Array.from(Buffer.from(bytes, "base64"));
  const draw = stream(1, name);
  const below = (bound: number, at: number) => Math.floor((draw(at) / 2 ** 32) * bound);
  for (let round = 0; round < 15; round++) {
    const [at, value, length] = [below(whole.length, round * 4), below(256, round * 4 + 1), below(50, round * 4 + 2)];
    const changed = whole.slice();
    changed[at] = value;
    await outcome(name, changed);
    await outcome(name, Uint8Array.from([...whole.subarray(0, at), ...whole.subarray(at + length)]));
    await outcome(name, Uint8Array.from([...whole.subarray(0, at + length), ...whole.subarray(at)]));
  }
});

it("JSON of every shape, and texts that are none", async () => {
  const awkward = fc.constantFrom(
    '{"',
    "[",
    "]",
    "}",
    ",",
    '"',
    ":",
    "\\",
    "null",
    "1e999",
    "-",
    "{}",
    '"__proto__"',
    '"constructor"',
    "\n",
    "\ufeff",
  );
  const name = fc.constantFrom("a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt");
  await fc.assert(
    fc.asyncProperty(
      name,
      fc.oneof(
        fc.json(),
        fc.array(awkward).map((parts) => parts.join("")),
        fc.string({ unit: "binary" }),
      ),
      async (name, text) => {
        await outcome(name, new TextEncoder().encode(text));
      },
    ),
    { numRuns: 1000 },
  );
});
