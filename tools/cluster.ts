/** `simcse cluster`: groups of similar sentences around a central one, the largest first. */
import { Command, Option } from "commander";
import { communities, communitiesDefaults } from "../src/simcse/search/communities.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { startComparison, startCounter } from "./cli/progress.ts";
import { allRecordVectors, openRecordVectors, type RecordVectorOptions, recordVectorOptions } from "./cli/record-vectors.ts";
import { say } from "./cli/say.ts";
import { printLines } from "./cli/vector-output.ts";

interface ClusterOptions extends RecordVectorOptions {
  readonly threshold: number;
  readonly min_community_size: number;
}

const options: readonly Option[] = [
  ...recordVectorOptions,
  new Option("--threshold <cosine>", "the least cosine of a cluster's sentences with its central one")
    .argParser(numberBetween(-1, 1))
    .default(communitiesDefaults.threshold),
  new Option("--min_community_size <n>", "the fewest sentences of a cluster")
    .argParser(wholeNumber(1))
    .default(communitiesDefaults.minSize),
];

export const clusterCommand = withOptions(
  new Command("cluster").description(
    "print clusters of similar sentences, the largest first: a JSON line each, with the central sentence and then the others by their cosine with it",
  ),
  options,
).action(async (given: ClusterOptions) => {
  const signal = interruptSignal();
  const counter = startCounter("sentences");
  await using input = await openRecordVectors(given, { signal, onProgress: counter.update });
  const { records, vectors } = await allRecordVectors(input).finally(() => counter.stop());
  const { threshold, min_community_size: minSize } = given;
  const comparison = startComparison();
  const clusters = await communities(input.device, vectors, { threshold, minSize, signal, onProgress: comparison.onProgress }).finally(() =>
    comparison.stop(),
  );
  if (records.length === 0) say("there are no sentences to cluster");
  else if (clusters.length === 0)
    say(`no ${minSize} of ${records.length} sentences are alike (lower --threshold ${threshold} or --min_community_size ${minSize})`);
  await printLines(lines());

  async function* lines(): AsyncGenerator<string> {
    for (const [cluster, { rows, scores }] of clusters.entries()) {
      const sentences = rows.map((row, i) => ({ row, ...records[row], score: scores[i] }));
      yield `${JSON.stringify({ cluster, size: rows.length, members: sentences })}\n`;
    }
  }
});
