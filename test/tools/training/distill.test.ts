/** `simcse distill` in separate processes: from texts to a student, killed at any stage and gone on, with other teachers' vectors, and refusals. */
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { expectFailure, program, simcse, words } from "../run-simcse.ts";

const folder = await temporaryFolder();
const path = (name: string) => join(folder, name);

const command = (output: string, ...more: string[]) => [
  ...["distill", "--model", path("teacher"), "--pooler_type", "avg", "--train_file", path("texts.txt"), path("pairs.csv")],
  ...["--output_dir", path(output), "--per_device_train_batch_size", "8", "--max_seq_length", "24", "--logging_steps", "2", ...more],
];
const distill = (output: string, ...more: string[]) => simcse(command(output, ...more));
const small = ["--layers", "2,0", "--vocab_size", "50"];
const lasting = words("--num_train_epochs 12 --similarity_weight 1 --do_eval false");
const weightsOf = (output: string) => readFile(join(path(output), "model.safetensors"));
const json = async (output: string, file: string) => JSON.parse(await readFile(join(path(output), file), "utf8"));

beforeAll(async () => {
  await writeTinyModel(path("teacher"), { layers: 3 });
  const other = (i: number, step: number) => tinySentences[(i + step) % 6]!;
  const texts = Array.from({ length: 36 }, (_, i) => `${other(i, 0)} ${tinySentences[Math.floor(i / 6)]}`);
  await writeFile(path("texts.txt"), `${[...texts, "", ...tinySentences].join("\n")}\n`);
  const rows = tinySentences.map((text, i) => `${i},"${text}","${other(i, 1).toUpperCase()}",${i % 2}`);
  await writeFile(path("pairs.csv"), `id,sent0,sent1,label\n${rows.join("\n")}\n`);
});

it("makes a student from layers and tokens of its teacher, and trains it on the teacher's vectors", async () => {
  const { code, stderr, stdout } = await distill("student", ...small, ...lasting);
  expect(stderr).toContain("texts of sent0, sent1; left out: id, label; 12 texts");
  expect(stderr).toContain("48 different texts; of the others 1 is blank, 6 occur before");
  expect(stderr).toMatch(/student: 2 layers of 32, 50 tokens, 0\.0 M parameters/);
  expect(stderr).toContain("loss: distill");
  expect(code).toBe(0);
  const losses = [...stdout.matchAll(/loss (\d\.\d+)/g)].map(([, loss]) => Number(loss));
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  expect(await json("student", "config.json")).toMatchObject({ num_hidden_layers: 2, vocab_size: 50, hidden_dropout_prob: 0.1 });
  expect((await json("student", "trainer_state.json")).options).toMatchObject({ dropout: 0, warmupSteps: 0.1, loggingSteps: 2 });
  const again = await distill("student", ...small, ...lasting);
  expect(again.stderr).toContain("is already finished");
});

it("goes on with the same bits after it was killed, while the teacher encodes and while the student trains", async () => {
  const options = [...small, "--embedding_size", "12", "--num_train_epochs", "4", "--save_steps", "2"];
  expect((await distill("alone", ...options)).code).toBe(0);
  const killedAfter = async (isReached: (names: readonly string[]) => boolean) => {
    const child = spawn(process.execPath, [program, ...command("killed", ...options)], { stdio: "ignore" });
    const ended = new Promise((done) => child.on("exit", done));
    while (child.exitCode === null && !isReached(await readdir(path("killed"), { recursive: true }).catch(() => []))) await delay(5);
    child.kill("SIGKILL");
    await ended;
  };
  await killedAfter((names) => names.includes(join("teacher", "vectors.npy.partial")));
  await killedAfter((names) => names.some((name) => name.startsWith("checkpoint-")));
  const { code, stderr } = await distill("killed", ...options);
  expect(code).toBe(0);
  expect(stderr).toMatch(/resuming after step \d+/);
  expect(Buffer.compare(await weightsOf("killed"), await weightsOf("alone"))).toBe(0);
});

it("takes vectors of any teacher, in their principal components if they are longer than the student's", async () => {
  await writeFile(path("narrow.json"), "");
  await mkdir(path("narrow"));
  const shape = { ...(await json("teacher", "config.json")), hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1 };
  await writeFile(join(path("narrow"), "config.json"), JSON.stringify(shape));
  const vectors = ["--target_vectors", join(path("student"), "teacher", "vectors.npy")];
  await writeFile(path("words.txt"), "a warm piano\na warm room\n");
  const vocabulary = ["--vocab_size", "40", "--vocab_file", path("words.txt"), "--drop_unused_characters"];
  const { code, stderr } = await distill("narrow-student", "--config_name", path("narrow"), ...vocabulary, ...vectors);
  expect(stderr).toMatch(/the first 16 principal components of the teacher's 32, which keep \d+\.\d% of their squared length/);
  expect(stderr).toMatch(/student: 1 layer of 16, 40 tokens/);
  expect(code).toBe(0);
  await writeFile(path("more.txt"), "One text more.\n");
  expectFailure(await distill("none", "--train_file", path("texts.txt"), path("more.txt"), ...vectors), "48 rows for", "different texts");
});

it("refuses what does not fit the teacher, and to go on with something else than it began with", async () => {
  expectFailure(await distill("none-layers", "--layers", "0,3"), "no layer 3", "0 to 2");
  expectFailure(await distill("none-vocabulary", "--vocab_size", "99999"), "--vocab_size is 99999", "the teacher has");
  expectFailure(await distill("none-vocabulary", "--vocab_file", path("texts.txt")), "--vocab_file is to count tokens in", "--vocab_size");
  await writeFile(path("words.txt"), "another\nlist of words\n");
  const narrow = ["--config_name", path("narrow"), "--vocab_size", "40", "--vocab_file", path("words.txt"), "--drop_unused_characters"];
  const vectors = ["--target_vectors", join(path("student"), "teacher", "vectors.npy")];
  expectFailure(await distill("narrow-student", ...narrow, ...vectors), "began with other texts in --vocab_file");
  expectFailure(
    await distill("student", ...small, "--drop_unused_characters"),
    "began with --drop_unused_characters none, and it is true now",
  );
  expectFailure(await distill("student", "--layers", "0,1", "--vocab_size", "50"), "began with --layers 2,0", "it is 0,1 now");
  await writeFile(path("texts.txt"), "Only this.\nAnd that.\n");
  expectFailure(await distill("student", ...small), "began with other texts");
});
