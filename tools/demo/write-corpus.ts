/**
 * Writes the demo corpus to files for people to read: `npx tsx tools/demo/write-corpus.ts`. Run it after a change to the grammar; a test compares.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { corpusFiles } from "./corpus-files.ts";

const folder = new URL("./corpus/", import.meta.url);

mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(corpusFiles())) {
  writeFileSync(new URL(name, folder), text);
  console.log(`${name}: ${text.length} bytes`);
}
