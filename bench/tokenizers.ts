/** Tokenizers against the official library: `npx tsx bench/tokenizers.ts cases.json…`, with files made by test/golden/tokenizer_definitions.py. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { type Comparison, compare, type DefinitionCases } from "../test/io/tokenizer/differential.ts";

/** Maximum number of differences that are printed in full. */
const SHOWN = 20;

const { args: files } = new Command("tokenizers")
  .description("Prints how many definitions and texts have the official ids, which were refused and why, and every difference.")
  .argument("<cases.json...>", "definitions with texts and their official ids")
  .parse();
const reasons = new Map<string, number>();
let [definitions, taken, texts, refusedTexts, differing] = [0, 0, 0, 0, 0];
for (const file of files) {
  const cases = JSON.parse(readFileSync(file, "utf8")) as DefinitionCases;
  for (const one of cases.cases) {
    const { equal, refused, refusal, differences }: Comparison = await compare(cases, one);
    definitions++;
    if (refusal !== undefined) {
      const reason = `${one.ids === null ? "by both" : "here only"}: ${refusal.replace(/^case\/tokenizer.json: /, "").replace(/"[^"]*"|\d+/g, "…")}`;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      continue;
    }
    taken++;
    texts += equal;
    refusedTexts += refused;
    if (differences.length === 0) continue;
    if (differing++ < SHOWN)
      console.log(
        `${one.damage?.join(".") ?? ""} ${JSON.stringify(one.definition).slice(0, 1500)}\n  ${differences.slice(0, 3).join("\n  ")}`,
      );
  }
}
console.log(
  `${definitions} definitions, ${taken} taken; ${texts} texts with the official ids, ${refusedTexts} refused; ${differing} definitions differ`,
);
for (const [reason, count] of [...reasons].sort(([, a], [, b]) => b - a))
  console.log(`${String(count).padStart(6)} refused ${reason.slice(0, 200)}`);
