/** The tiny models that `architectures.py` makes, as folders that can be loaded. */
import { readFileSync } from "node:fs";
import { MemoryFolder } from "../../src/io/folder.ts";
import { wordPieceTokenizer } from "../../src/io/tokenizer.ts";

/** A random model of an architecture, whose tokenizer knows a few words. */
export function goldenModel(kind: string): MemoryFolder {
  const golden = (file: string) => readFileSync(new URL(`architectures/${kind}.${file}`, import.meta.url));
  const { config } = JSON.parse(golden("json").toString()) as { config: object };
  const tokenizer = wordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "he", "plays", "guitar", "."], { lowerCase: true });
  return new MemoryFolder(kind, [
    ["config.json", JSON.stringify(config)],
    ["model.safetensors", golden("safetensors")],
    ...tokenizer.files,
  ]);
}
