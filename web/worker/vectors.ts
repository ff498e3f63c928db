/** The vectors of the visitor's sentences as a file: a NumPy matrix, or JSON lines like those of `simcse encode`. */
import { type Embeddings, encodeNpy } from "simcse-webgpu/browser";
import type { Handlers, VectorFormat } from "./protocol.ts";
import { sentencesOf } from "./sentence-index.ts";
import type { Session } from "./session.ts";

const formats: Readonly<Record<VectorFormat, (texts: readonly string[], vectors: Embeddings) => Blob>> = {
  npy: (_, { length, dimension, data }) => new Blob([encodeNpy([length, dimension], data) as BlobPart]),
  jsonl: (texts, { dimension, data }) => {
    const line = (sentence: string, row: number) =>
      `${JSON.stringify({ sentence, embedding: [...data.subarray(row * dimension, (row + 1) * dimension)] })}\n`;
    return new Blob(texts.map(line), { type: "application/jsonl" });
  },
};

export function vectorHandlers(session: Session): Handlers<"vectors"> {
  return {
    async vectors({ which, format }, { signal, emit }) {
      const simcse = await session.usable(which);
      const texts = await sentencesOf(session, which);
      const vectors = await simcse.encode(texts, {
        signal,
        onProgress: (done) => emit({ done, total: texts.length }),
      });
      return formats[format](texts, vectors);
    },
  };
}
