/** Nearest sentences by cosine: each is embedded once, and a query is compared with all of them. */
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

  /** Embeds the sentences, telling how many are done. The encoder must give vectors of unit length. */
  static async create(encoder: Encoder, sentences: readonly string[], onProgress: (done: number) => void): Promise<SentenceSearch> {
    return new SentenceSearch(encoder, sentences, await encoder.encode(sentences, { onProgress }));
  }

  /** The `count` sentences nearest to `query`, nearest first. */
  async nearest(query: string, count: number): Promise<Match[]> {
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
