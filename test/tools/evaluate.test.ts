import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";

const folder = await temporaryFolder();
const model = join(folder, "model");
const data = join(folder, "data");

function evaluate(...more: string[]) {
  const args = ["--import", "tsx", resolve("tools/simcse.ts"), "evaluate", "--model_name_or_path", model, "--pooler", "avg"];
  return new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    execFile(process.execPath, [...args, "--data_dir", data, ...more], (error, stdout, stderr) =>
      done({ code: error === null ? 0 : ((error as { code?: number }).code ?? 1), stdout, stderr }),
    );
  });
}

beforeAll(async () => {
  await mkdir(model);
  await writeTinyModel(model);
  await mkdir(join(data, "SUBJ"), { recursive: true });
  // One sentence is longer than the model takes.
  const lines = (own: readonly string[]) => `${Array.from({ length: 30 }, (_, i) => own[i % own.length]).join("\n")}\n`;
  await writeFile(join(data, "SUBJ/subj.objective"), lines([...tinySentences.slice(0, 3), "A cat sleeps. ".repeat(60)]));
  await writeFile(join(data, "SUBJ/subj.subjective"), lines(tinySentences.slice(3)));
});

describe("simcse evaluate", () => {
  it("scores transfer tasks, names what is missing, and writes JSON", async () => {
    const output = join(folder, "results.json");
    const { code, stdout } = await evaluate("--task_set", "transfer", "--mode", "fasttest", "--output", output);
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toBe("------ fasttest ------");
    expect(lines[2]).toMatch(/MR .* CR .* SUBJ .* MPQA .* SST2 .* TREC .* MRPC .* Avg\./);
    expect(stdout).toContain("Avg. covers 1 of 7 tasks: SUBJ.");
    expect(stdout).toContain(`MR: no data, ${data}/MR/rt-polarity.pos is missing.`);
    const { mode, transfer, sts } = JSON.parse(await readFile(output, "utf8"));
    expect({ mode, sts, tasks: transfer.average.tasks }).toEqual({ mode: "fasttest", sts: undefined, tasks: ["SUBJ"] });
    expect(transfer.tasks.SUBJ.n).toBe(60);
    // All embeddings of the untrained model are nearly one: how good a classifier is, other tests show.
    expect(transfer.tasks.SUBJ.accuracy).toBeGreaterThan(0.3);
    expect(transfer.average.accuracy).toBe(transfer.tasks.SUBJ.accuracy);
  });

  it("takes tasks of both kinds by name, with commas or without", async () => {
    const { code, stdout } = await evaluate("--task_set", "na", "--tasks", "STS12,SUBJ", "--mode", "dev");
    expect(code).toBe(0);
    expect(stdout).toContain("STS12: no data");
    expect(stdout).toContain("Avg. covers 1 of 7 tasks: SUBJ.");
  });

  it("says that a tree holds nothing", async () => {
    const { code, stdout, stderr } = await evaluate("--task_set", "na", "--tasks", "STS12,MR");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/none of these tasks: .*STS12-en-test.* is missing, and so are the others[\s\S]*simcse data download senteval/);
  });

  it("names a task that there is not, and --tasks without na", async () => {
    expect((await evaluate("--task_set", "na", "--tasks", "SST5")).stderr).toMatch(/There is no task "SST5"[\s\S]*SST2/);
    expect((await evaluate("--tasks", "MR")).stderr).toContain("--task_set na");
    expect((await evaluate("--task_set", "na")).stderr).toContain("needs --tasks");
  });
});
