/** The attributes of an attention node, which its variants share. */
import type { Dropout } from "../language/random.ts";
import type { BucketStarts } from "../language/relative-bias.ts";

export interface AttentionAttributes {
  readonly heads: number;
  /** The longest sentence in tokens. */
  readonly longest: number;
  readonly dropout: Dropout | null;
  /** The largest distance between a token and those that it sees; null if it sees all. */
  readonly window: number | null;
  /** The buckets of the bias by relative position, whose table is the fourth input; null if there is none. */
  readonly starts: BucketStarts | null;
}
