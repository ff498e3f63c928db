/** Sentences that benchmarks of the encoder send: 6 to 17 words each, determined by their number. */
const words = ["river", "bread", "the", "old", "carries", "a", "quiet", "sails", "over", "bright", "morning", "letter"];

export function benchSentence(number: number): string {
  return Array.from({ length: 6 + (number % 12) }, (_, i) => words[(number * 7 + i * 5) % words.length]).join(" ");
}
