/** `simcse demo` from a folder to a trained model, on a tiny model. */
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { expectFailure, simcse } from "../run-simcse.ts";

const folder = await temporaryFolder();
const [model, code, output] = [join(folder, "model"), join(folder, "code"), join(folder, "out")];

beforeAll(async () => {
  for (const path of [model, code]) await mkdir(path);
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  const functions = Array.from({ length: 36 }, (_, i) => {
    const says = `${tinySentences[i % 6]!.slice(0, -1)} of kind ${i}`;
    return `/** ${says}. */\nexport function supper${i}(beans: string): void {}\n`;
  });
  await writeFile(join(code, "kitchen.ts"), functions.join("\n"));
});

it("searches, learns and shows scores and answers before and after", async () => {
  const {
    code: status,
    stdout,
    stderr,
  } = await simcse([
    ...["demo", "--model", model, "--folder", code, "--output_dir", output],
    ...["--question", "Where are the beans?", "--question", "supper on the coast"],
  ]);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("36 declarations in 1 file\n");
  expect(stdout).toMatch(/^ +code +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+$/m);
  expect(stdout).toMatch(/Trained \d+ steps of 32 pairs/);
  // Each question is answered three times: by descriptions, and by code before and after.
  expect(stdout.match(/^ {3}Where are the beans\?$/gm)).toHaveLength(2);
  expect(stdout.match(/^ {3}before /gm)).toHaveLength(2);
  expect(stdout.match(/kitchen\.ts:\d+$/gm)).toHaveLength(18);
  await access(join(output, "model.safetensors"));
});

it("writes the pairs that it learns from, and names what it cannot learn from", async () => {
  const pairs = join(folder, "pairs.csv");
  expect(await simcse(["demo", "--folder", code, "--write_pairs", pairs])).toMatchObject({ code: 0, stderr: `36 pairs in ${pairs}\n` });
  const [header, first] = (await readFile(pairs, "utf8")).split("\n");
  expect(header).toBe("question,answer");
  expect(first).toBe('"A cat sleeps on the warm stove of kind 0","supper0(beans: string): void"');
  expectFailure(await simcse(["demo", "--model", model, "--folder", model]), "0 descriptions", "--folder");
  expectFailure(await simcse(["demo", "--model", model, "--folder", join(folder, "nowhere")]), "nowhere is no folder");
});
