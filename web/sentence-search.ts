/** Nearest sentences by cosine: each is embedded once, and a query is compared with all of them. */
import { ShapeError } from "../src/errors.ts";
import type { Encoder } from "../src/simcse/encoder.ts";

export interface Match {
  readonly sentence: string;
  /** −1 to 1. */
  readonly cosine: number;
}

export class SentenceSearch {
  private constructor(
    readonly encoder: Encoder,
    readonly sentences: readonly string[],
    readonly vectors: Float32Array,
  ) {}

  /** Embeds the sentences. The encoder must give vectors of unit length. */
  static async create(encoder: Encoder, sentences: readonly string[], onProgress?: (done: number) => void): Promise<SentenceSearch> {
    const vectors = await encoder.encode(sentences, onProgress ? { onProgress } : {});
    return new SentenceSearch(encoder, sentences, vectors);
  }

  /** The `count` sentences nearest to `query`, nearest first. Throws `ShapeError` for a query without text. */
  async nearest(query: string, count: number): Promise<Match[]> {
    if (query.trim() === "") throw new ShapeError("There is nothing to search for.", "Type a sentence.");
    const target = await this.encoder.encode([query]);
    const { dimension } = this.encoder;
    const matches = this.sentences.map((sentence, row) => {
      let cosine = 0;
      for (let i = 0; i < dimension; i++) cosine += target[i]! * this.vectors[row * dimension + i]!;
      return { sentence, cosine };
    });
    return matches.sort((a, b) => b.cosine - a.cosine).slice(0, count);
  }
}
