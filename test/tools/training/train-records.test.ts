/** The records of a run with values that are not finite: the log says null, and charts leave them out. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startRecord } from "../../../src/io/formats/tensorboard.ts";
import type { HistoryEntry } from "../../../src/simcse/report/history.ts";
import { TrainRecords } from "../../../tools/training/train-records.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const output = join(await temporaryFolder(), "run");

const open = (history: readonly HistoryEntry[]) =>
  TrainRecords.open({
    output,
    loggingDir: join(output, "runs"),
    history,
    steps: 2,
    about: { name: "named", arguments: {}, pooler: "avg" },
  });

it("keeps a log of lines, goes on from what it said, and draws numbers alone", async () => {
  await mkdir(output);
  const records = await open([]);
  await records.add({ step: 1, epoch: 0.5, eval_stsb_spearman: Number.NaN });
  await records.add({ step: 2, epoch: 1, eval_stsb_spearman: 0.5 });
  const lines = (await readFile(join(output, "log.jsonl"), "utf8")).trim().split("\n");
  expect(lines[0]).toBe('{"step":1,"epoch":0.5,"eval_stsb_spearman":null}');
  // As a checkpoint's log_history is read; what was logged after it is logged again.
  const again = await open([JSON.parse(lines[0]!) as HistoryEntry]);
  expect(again.history).toEqual([{ step: 1, epoch: 0.5, eval_stsb_spearman: Number.NaN }]);
  expect(await readFile(join(output, "log.jsonl"), "utf8")).toBe(`${lines[0]}\n`);
  await again.report();
  await again.card({ steps: 2 });
  const page = await readFile(join(output, "report.html"), "utf8");
  expect(page).toContain("Nothing was logged yet.");
  expect(page).toContain("<h1>named</h1>");
  // Loaded by its folder, whatever the run is called.
  expect(await readFile(join(output, "README.md"), "utf8")).toContain('SimCSE.load("run")');
  await again.results({ train_runtime: 2.5, epoch: 1 }, { best: null });
  expect(await readFile(join(output, "train_results.txt"), "utf8")).toBe("epoch = 1\ntrain_runtime = 2.5\n");
  expect(await readFile(join(output, "eval_results.txt"), "utf8")).toBe("epoch = 0.5\neval_stsb_spearman = NaN\nstep = 1\n");
  const [events] = await readdir(join(output, "runs"));
  // Everything but the time and the checksums.
  const start = Buffer.from(startRecord(0, 3).subarray(12 + 9, -4));
  expect((await readFile(join(output, "runs", events!))).includes(start)).toBe(true);
});
