/** Distinguishes models from each other, including fine-tuned ones: a digest of all weights that the vectors depend on, and the pooler. */
import type { SimCseModel } from "../model/model.ts";
import type { EncodingPooler } from "../model/poolers.ts";

/**
 * SHA-256, as 64 hexadecimal digits, of each tensor's name, shape and digest, and the pooler. The same weights have the same fingerprint in
 * every file format. Weights that embeddings do not depend on are ignored.
 */
export async function modelFingerprint(model: SimCseModel, pooler: EncodingPooler): Promise<string> {
  const { baseTensors, modules } = model;
  const names = [...baseTensors.keys()].filter((name) => !name.startsWith("cls.") && (pooler === "cls" || !name.startsWith("mlp."))).sort();
  const lines: string[] = [`pooler ${pooler}`, ...(modules.sentenceHead ? [JSON.stringify(modules.sentenceHead.config)] : [])];
  for (const name of names) lines.push(`${name} ${baseTensors.get(name)!.shape.join(" ")} ${await sha256(await model.readMerged(name))}`);
  return sha256(new TextEncoder().encode(lines.join("\n")));
}

async function sha256(data: Float32Array | Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data as Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
