/**
 * Sentences that benchmarks of the encoder send: 6 to 17 words each, determined by their number. The first 12⁵ differ, because equal ones would
 * be computed once.
 */
const words = ["river", "bread", "the", "old", "carries", "a", "quiet", "sails", "over", "bright", "morning", "letter"];

export function benchSentence(number: number): string {
  return Array.from({ length: 6 + (number % 12) }, (_, i) => words[(Math.floor(number / 12 ** (i % 5)) + i * 5) % words.length]).join(" ");
}
