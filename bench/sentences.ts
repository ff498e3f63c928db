/** Sentences that benchmarks of the encoder send: 6 to 17 words each, determined by their number. Those below 12⁵ differ: equal ones are computed once. */
const words = ["river", "bread", "the", "old", "carries", "a", "quiet", "sails", "over", "bright", "morning", "letter"];

export function benchSentence(number: number): string {
  return Array.from({ length: 6 + (number % 12) }, (_, i) => words[(Math.floor(number / 12 ** (i % 5)) + i * 5) % words.length]).join(" ");
}
