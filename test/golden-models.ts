/** The goldens' models as folders, as models are published: torch's file, config.json, and the vocabulary files of each kind. */
import { readFileSync } from "node:fs";
import { MemoryFolder, type NamedContent } from "../src/io/folder.ts";
import { writeFiles } from "../src/io/folders/writable-folder.ts";

const golden = (file: string) => new Uint8Array(readFileSync(new URL(`golden/${file}`, import.meta.url)));
const json = (value: unknown) => JSON.stringify(value);

const size = 97;
/** Tokens of the goldens' vocabulary: those of a kind's special tokens, and for every other id a word that is one token. */
export const kinds = {
  bert: {
    files: { "vocab.txt": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ...Array.from({ length: size - 4 }, (_, i) => `w${i + 4}`)].join("\n") },
    text: (ids: number[]) => ids.map((id) => `w${id}`).join(" "),
  },
  roberta: {
    files: {
      "vocab.json": json(
        Object.fromEntries(
          ["<s>", "<pad>", "</s>", "<unk>", ...Array.from({ length: size - 4 }, (_, i) => character(i + 4))].map((token, id) => [
            token,
            id,
          ]),
        ),
      ),
      "merges.txt": "#version: 0.2\n",
    },
    text: (ids: number[]) => ids.map(character).join(""),
  },
} as const;

/** The printable characters from "!" on. */
function character(id: number): string {
  return String.fromCharCode(id - 4 + 33);
}

interface Golden {
  readonly config: Readonly<Record<string, unknown>>;
  readonly sentences: Readonly<Record<string, number[][]>>;
}

export function publishedFolder(kind: keyof typeof kinds, name = "published", config: object = {}): MemoryFolder {
  const files = {
    "config.json": json({ ...goldenOf(kind).config, ...config }),
    "pytorch_model.bin": golden(`${kind}.bin`),
    ...kinds[kind].files,
  };
  return new MemoryFolder(name, Object.entries(files));
}

/** A model's files, written to a folder in memory. */
export async function written(files: Iterable<NamedContent>): Promise<MemoryFolder> {
  const folder = new MemoryFolder("written");
  await writeFiles(folder, files);
  return folder;
}

export function goldenOf(kind: keyof typeof kinds): Golden {
  return JSON.parse(new TextDecoder().decode(golden(`${kind}.json`))) as Golden;
}
