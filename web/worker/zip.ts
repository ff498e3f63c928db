/** Files as a zip archive, made piece by piece: a model may be larger than what a page should hold in memory twice. */
import { Zip, ZipPassThrough } from "fflate";
import type { NamedContent } from "simcse-webgpu/browser";

/** Reports each piece: the file that it belongs to, and its bytes. */
export type OnPiece = (file: string, bytes: number) => void;

/** A zip archive of files inside a folder of this name. They are stored as they are, because weights hardly get smaller. */
export async function zipOf(folder: string, files: readonly NamedContent[], onPiece: OnPiece): Promise<Blob> {
  const parts: Blob[] = [];
  let failure: Error | null = null;
  // Each part becomes a blob at once, which the browser may keep on the disk.
  const zip = new Zip((error, bytes) => {
    failure ??= error;
    if (error === null) parts.push(new Blob([bytes as BlobPart]));
  });
  for (const { name, content } of files) {
    const entry = new ZipPassThrough(`${folder}/${name}`);
    zip.add(entry);
    for await (const bytes of piecesOf(content)) {
      entry.push(bytes.slice());
      onPiece(name, bytes.length);
    }
    entry.push(new Uint8Array(0), true);
  }
  zip.end();
  if (failure !== null) throw failure;
  return new Blob(parts, { type: "application/zip" });
}

/** A file's content in pieces. A piece is only valid until the next one. */
export async function* piecesOf(content: NamedContent["content"]): AsyncGenerator<Uint8Array> {
  if (typeof content === "string") yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}
