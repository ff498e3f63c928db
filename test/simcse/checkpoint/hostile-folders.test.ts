/**
 * Damaged and hostile model folders: after any change in any file, loading gives a typed error or a model with finite
 * weights; the runner ends what hangs. A few hundred per run; `SIMCSE_FUZZ_ROUNDS=20000` for more, `SIMCSE_FUZZ_SEED` for others. A failure names its round.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { SimcseError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { concatenate } from "../../../src/io/formats/bytes.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";
import { checkFinite } from "../../../src/io/weights/finite.ts";
import { encodeSafetensors } from "../../../src/io/weights/safetensors.ts";
import { openWeights } from "../../../src/io/weights.ts";
import { stream } from "../../../src/nn/random.ts";
import { fitConfig, inspectWeights, locateTensors, readConfig } from "../../../src/simcse/checkpoint/checkpoint.ts";
import { modelTensors } from "../../../src/simcse/model/model.ts";
import { publishedFolder } from "../../golden-models.ts";

const rounds = Number(process.env.SIMCSE_FUZZ_ROUNDS ?? 400);
const seed = Number(process.env.SIMCSE_FUZZ_SEED ?? 20210418);

type Draw = (below: number) => number;

/** Values that a field of JSON may be replaced by. */
const values: readonly unknown[] = [
  null,
  true,
  "",
  "constructor",
  "__proto__",
  "\u001b]0;owned\u0007",
  -1,
  0,
  1,
  2.5,
  1e9,
  1e300,
  [],
  {},
  { a: 1 },
  [null],
  JSON.parse("[".repeat(150) + "]".repeat(150)),
  "x".repeat(10_000),
];

/** Replaces, removes or adds a field somewhere in a JSON value. */
function changedJson(value: unknown, draw: Draw): unknown {
  if (typeof value !== "object" || value === null || draw(6) === 0) return values[draw(values.length)];
  const keys = Object.keys(value);
  const key = keys.length > 0 && draw(8) > 0 ? keys[draw(keys.length)]! : "added";
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  if (draw(8) === 0) delete copy[key];
  else copy[key] = changedJson(copy[key], draw);
  return copy;
}

function changedBytes(bytes: Uint8Array, draw: Draw): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(draw(256));
  const at = draw(bytes.length);
  const mutations = [
    () => bytes.with(at, draw(256)),
    () => bytes.slice(0, at),
    () => concatenate([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + draw(16)))]),
    () => concatenate([bytes.subarray(0, at), bytes.subarray(draw(bytes.length)).subarray(0, 64), bytes.subarray(at)]),
    // Exponents of all ones: NaN and infinity among the weights.
    () => bytes.map((byte, i) => (i >= at && i < at + 4 ? 0xff : byte)),
    () => new Uint8Array(0),
    () => new TextEncoder().encode(`version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\n`),
  ];
  return mutations[draw(mutations.length)]!();
}

const golden = JSON.parse(readFileSync(new URL("../../golden/sentence_transformers.json", import.meta.url), "utf8")) as {
  readonly folders: Readonly<Record<string, { readonly files: Readonly<Record<string, { readonly base64?: string }>> }>>;
};

/** Folders of every kind: torch's file, safetensors, RoBERTa, and one of sentence-transformers with every kind of module. */
async function originals(): Promise<Map<string, Uint8Array>[]> {
  const read = async (folder: MemoryFolder) =>
    new Map(await Promise.all(folder.files.map(async (name) => [name, await folder.read(name)] as const)));
  const safe = publishedFolder("bert");
  const weights = (await openWeights(safe))!;
  const floats = [...weights.tensors].filter(([, { dtype }]) => dtype === "F32");
  const tensors = floats.map(([name, { shape }]) => ({ name, dtype: "F32" as const, shape, data: () => weights.readBytes(name) }));
  await safe.write("model.safetensors", encodeSafetensors(tensors));
  const tokenizer = await loadTokenizer(safe);
  for (const [name, content] of tokenizer.files) await safe.write(name, content);
  const sentences = publishedFolder("bert");
  for (const [name, content] of Object.entries(golden.folders["a dense layer with ReLU on two poolings, and a layer norm"]!.files)) {
    await sentences.write(name, content.base64 ? new Uint8Array(Buffer.from(content.base64, "base64")) : JSON.stringify(content));
  }
  return [await read(publishedFolder("bert")), await read(safe), await read(publishedFolder("roberta")), await read(sentences)];
}

/** All of loading but the device: configuration, modules, tokenizer, every tensor; and a text encoded. */
async function load(folder: MemoryFolder): Promise<void> {
  const config = await readConfig(folder);
  const tokenizer = await loadTokenizer(config.folder);
  fitConfig(config.folder, tokenizer, config.transformer);
  const { weights, hasHead } = await inspectWeights(config);
  if (weights === null) return;
  for (const { source } of locateTensors(
    weights,
    config.transformer,
    modelTensors(config.transformer, { mlp: hasHead, head: config.sentenceHead }),
  )) {
    checkFinite(weights, source, await weights.readF32(source));
  }
  const ids = tokenizer.encode("w5 w9 ab", config.maxLength);
  expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < config.transformer.vocab_size)).toBe(true);
}

it("damaged folders end in a model or in a typed error that a terminal can show", async () => {
  const folders = await originals();
  const numbers = stream(seed, "hostile folders");
  let drawn = 0;
  const draw: Draw = (below) => numbers(drawn++) % below;
  const ended = { refused: 0, loaded: 0 };
  for (let round = 0; round < rounds; round++) {
    const files = new Map(folders[draw(folders.length)]);
    const changed: string[] = [];
    for (let times = 1 + draw(3); times > 0; times--) {
      const name = [...files.keys()][draw(files.size)]!;
      const bytes = files.get(name)!;
      changed.push(name);
      const isJson = name.endsWith(".json") && draw(4) > 0;
      try {
        files.set(
          name,
          isJson
            ? new TextEncoder().encode(JSON.stringify(changedJson(JSON.parse(new TextDecoder().decode(bytes)), draw)))
            : changedBytes(bytes, draw),
        );
      } catch {
        files.set(name, changedBytes(bytes, draw));
      }
      if (draw(20) === 0) files.delete(name);
    }
    try {
      await load(new MemoryFolder("damaged", files));
      ended.loaded++;
    } catch (error) {
      if (!(error instanceof SimcseError)) throw new Error(`round ${round}, seed ${seed}: ${changed.join(", ")}`, { cause: error });
      expect(`${error.message} ${error.remedy}`, `round ${round}`).not.toMatch(/(?![\n\t])\p{Cc}/u);
      expect(error.message.length, `round ${round}: ${error.message.slice(0, 200)}`).toBeLessThan(2000);
      ended.refused++;
    }
  }
  // Not all are refused at once, and not all are accepted.
  expect(ended.refused).toBeGreaterThan(rounds / 4);
  expect(ended.loaded).toBeGreaterThan(rounds / 100);
});
