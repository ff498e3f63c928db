/** How a run ends when it is told to, when nobody reads what it prints any more, and when its terminal closes. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { program } from "../run-simcse.ts";

const folder = await temporaryFolder();
const [model, text] = [join(folder, "model"), join(folder, "text.txt")];
const longRun = "100000";

beforeAll(async () => {
  await writeTinyModel(model);
  await writeFile(text, `${tinySentences.join("\n")}\n`);
});

const trainArguments = (output: string, steps: string) => [
  ...[program, "train", "--model_name_or_path", model, "--train_file", text, "--output_dir", output, "--max_steps", steps],
  ...["--per_device_train_batch_size", "4", "--max_seq_length", "16", "--logging_steps", "1"],
];

/** Starts a run, and waits for its first step. */
async function started(name: string, steps = longRun) {
  const output = join(folder, name);
  const child = spawn(process.execPath, trainArguments(output, steps));
  child.stderr.resume();
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const checkpoints = async () => (await readdir(output)).filter((file) => file.startsWith("checkpoint-")).length;
  return { child, output, ended, checkpoints };
}

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("saves at %s and ends with %i, though the program it is piped to ended with it", async (signal, code) => {
  const { child, ended, checkpoints } = await started(signal);
  child.stdout.destroy();
  child.stderr.destroy();
  child.kill(signal);
  expect(await ended).toBe(code);
  expect(await checkpoints()).toBe(1);
});

it("goes on without readers, and without the terminal that nohup took it from", async () => {
  const { child, output, ended } = await started("unread", "60");
  child.stdout.destroy();
  child.stderr.destroy();
  child.kill("SIGHUP");
  expect(await ended).toBe(0);
  expect(JSON.parse(await readFile(join(output, "trainer_state.json"), "utf8"))).toMatchObject({ steps: 60 });
});

function hasScript(): boolean {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    return false;
  }
}

it.runIf(hasScript())("saves when its terminal closes", async () => {
  const output = join(folder, "closed");
  const command = `exec ${[process.execPath, ...trainArguments(output, longRun)].map((word) => `'${word}'`).join(" ")}`;
  const terminal = spawn("script", ["-qfec", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
  await new Promise<void>((resolve) => {
    terminal.stdout.on("data", (chunk: Buffer) => {
      if (String(chunk).includes("loss 0") || String(chunk).includes("loss 1")) resolve();
    });
  });
  terminal.kill("SIGKILL");
  // Until it gives up its folder, which is then removed.
  while (existsSync(join(output, ".train.lock"))) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(JSON.parse(await readFile(join(output, "trainer_state.json"), "utf8"))).toMatchObject({ interrupted: true });
});
