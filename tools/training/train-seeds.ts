/** `--seeds`: one run per seed, each in its own folder, and their summary: `seeds.json` and `report.html`. */
import { join } from "node:path";
import { OptionError } from "../../src/errors.ts";
import { writeFileAtomically } from "../../src/io/folder-node.ts";
import { type SeedRun, seedsHtml, summarizeSeeds } from "../../src/simcse/report/seeds.ts";
import type { TrainOptions } from "./train-options.ts";

/** Throws `OptionError` for seeds that cannot run one after another. */
export function checkSeeds({ resume_from_checkpoint: resume }: TrainOptions, seeds: readonly number[]): void {
  const twice = seeds.find((seed, i) => seeds.indexOf(seed) !== i);
  if (twice !== undefined) throw new OptionError(`--seeds names ${twice} twice.`, "Give each seed once.");
  if (typeof resume === "string" && resume !== "last") {
    throw new OptionError(
      `--resume_from_checkpoint ${resume} is one checkpoint, but --seeds starts one run per seed.`,
      "Leave the folder out: each seed then resumes from its own last checkpoint, and finished seeds are kept.",
    );
  }
}

const folderOf = (seed: number) => `seed-${seed}`;

/** The options of one of the runs, which writes into its own folder. */
export function optionsOfSeed(given: TrainOptions, seed: number): TrainOptions {
  const folder = folderOf(seed);
  return {
    ...given,
    seed,
    output_dir: join(given.output_dir, folder),
    logging_dir: given.logging_dir && join(given.logging_dir, folder),
    run_name: given.run_name && `${given.run_name} ${folder}`,
    profile: typeof given.profile === "string" ? given.profile.replace(/(\.\w+)?$/, `-${seed}$1`) : given.profile,
  };
}

/** Prints one line per metric and writes `seeds.json` and `report.html`. */
export async function reportSeeds(output: string, name: string, runs: readonly SeedRun[], given: object): Promise<void> {
  const options = given as Readonly<Record<string, unknown>>;
  const summary = summarizeSeeds(runs, options);
  for (const [metric, { mean, sd }] of Object.entries(summary.metrics)) {
    process.stdout.write(`${metric} ${mean.toFixed(4)}${sd === null ? "" : ` ± ${sd.toFixed(4)}`}\n`);
  }
  await writeFileAtomically(join(output, "seeds.json"), `${JSON.stringify(summary, null, 2)}\n`);
  const linked = runs.map((run) => ({ ...run, report: `${folderOf(run.seed)}/report.html` }));
  await writeFileAtomically(join(output, "report.html"), seedsHtml(name, linked, options));
}
