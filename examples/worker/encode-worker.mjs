/**
 * Encodes sentences for another program, over pipes: `node encode-worker.mjs [model]`. The first line of its output is the vectors' length. For
 * each line of its input, a JSON array of sentences, it writes their vectors, as f32 in little-endian order. It ends with its input, so it never
 * outlives the program that started it.
 */
import { createInterface } from "node:readline";
import { SimCSE } from "simcse-webgpu";

const model = await SimCSE.load(process.argv[2]);
process.stdout.write(`${model.dimension}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const { data } = await model.encode(JSON.parse(line));
  process.stdout.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
await model.close();
