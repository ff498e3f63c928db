/** encode, similarity, index, search and serve as users see them: files, pipes and tables in, only results on standard output, and clear errors. */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy } from "../../src/io/formats/npy.ts";
import { int8Ranges, quantizeInt8 } from "../../src/simcse/embedding/int8-ranges.ts";
import { golden, goldenVectors } from "../simcse/search/embedding-tools.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { expectFailure, parsed, program, simcse, words } from "./run-simcse.ts";

const folder = await temporaryFolder();
const model = join(folder, "model");
const text = join(folder, "sentences.txt");
const file = (name: string) => join(folder, name);

interface Line {
  readonly sentence: string;
  readonly id?: string | number;
  readonly embedding: number[];
  readonly scale?: number;
}

async function succeed(args: readonly string[], options?: Parameters<typeof simcse>[1]): Promise<string> {
  const { code, stdout, stderr } = await simcse(args, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

const encode = async (args: readonly string[], input?: string) =>
  parsed<Line>(await succeed(["encode", "--model", model, ...args], input === undefined ? {} : { input }));

let vectors: number[][];

beforeAll(async () => {
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  await writeFile(text, `${tinySentences.join("\n")}\n`);
  vectors = (await encode(["--input", text])).map(({ embedding }) => embedding);
});

describe("encode", () => {
  it("reads standard input and files, with their ids", async () => {
    const plain = tinySentences.map((sentence, i) => ({ sentence, embedding: vectors[i] }));
    expect(await encode([], tinySentences.join("\n"))).toEqual(plain);
    await writeFile(file("a.csv"), `key,what\n${tinySentences.map((sentence, i) => `s${i},"${sentence}"\n`).join("")}`);
    expect(await encode(["--input", file("a.csv"), "--text_column", "what", "--id_column", "key"])).toEqual(
      plain.map((line, i) => ({ id: `s${i}`, ...line })),
    );
  });

  it("writes vectors of fewer numbers and bits, as NumPy reads them", async () => {
    for (const [precision, type, width] of [
      ["f32", "<f4", 64],
      ["f16", "<f2", 32],
      ["int8", "|i1", 16],
      ["binary", "|u1", 2],
    ] as const) {
      const path = file(`${precision}.npy`);
      const given = ["--input", text, "--output", path, "--precision", precision, "--truncate_dim", "16"];
      expect(await succeed(["encode", "--model", model, ...given])).toBe("");
      const bytes = await readFile(path);
      expect(bytes.subarray(0, 128).toString("latin1")).toContain(`'descr': '${type}'`);
      expect(bytes.length).toBe(128 + 6 * width);
    }
    const { data, shape } = decodeNpy(await readFile(file("f32.npy")), "f32.npy");
    expect(shape).toEqual([6, 16]);
    expect(Math.hypot(...data.subarray(0, 16))).toBeCloseTo(1, 5);
    const [half] = await encode(["--precision", "f16"], tinySentences[0]);
    half!.embedding.forEach((value, i) => void expect(value).toBeCloseTo(vectors[0]![i]!, 3));
    const scales = decodeNpy(await readFile(file("int8.scales.npy")), "int8.scales.npy");
    const int8 = decodeNpy(await readFile(file("int8.npy")), "int8.npy");
    expect([scales.shape, int8.shape]).toEqual([[6], [6, 16]]);
    int8.data.forEach((value, i) => void expect(value * scales.data[Math.floor(i / 16)]!).toBeCloseTo(data[i]!, 2));
    const [line] = await encode(["--precision", "int8"], tinySentences[0]);
    line!.embedding.forEach((value, i) => void expect(value * line!.scale!).toBeCloseTo(vectors[0]![i]!, 2));
    expect((await readdir(folder)).filter((name) => name.endsWith(".spool"))).toEqual([]);
  });

  it("writes static int8 with the ranges of calibration vectors, which are read back with the bytes", async () => {
    const [calibration, bytes] = [file("calibration.npy"), file("static.npy")];
    await succeed(["encode", "--model", model, "--input", text, "--output", calibration]);
    const given = ["encode", "--model", model, "--input", text, "--output", bytes, "--precision", "int8"];
    await succeed(given);
    expect(await readdir(folder)).toContain("static.scales.npy");
    await succeed([...given, "--calibration", calibration]);
    // Scales of an earlier matrix would be taken for this one's.
    expect(await readdir(folder)).not.toContain("static.scales.npy");
    const { data } = decodeNpy(await readFile(calibration), "calibration");
    const { data: ranges, shape } = decodeNpy(await readFile(file("static.ranges.npy")), "ranges");
    expect(shape).toEqual([2, 32]);
    const measured = int8Ranges({ length: 6, dimension: 32, data });
    expect([ranges.subarray(0, 32), ranges.subarray(32)]).toEqual([measured.least, measured.most]);
    const stored = decodeNpy(await readFile(bytes), "bytes");
    expect(Int8Array.from(stored.data)).toEqual(quantizeInt8({ length: 6, dimension: 32, data }, measured));
    const [row] = parsed<number[]>(await succeed(["similarity", "--model", model, "--queries", bytes, "--keys", calibration]));
    expect(row![0]).toBeCloseTo(1, 2);
    expectFailure(await simcse([...given, "--calibration", calibration, "--truncate_dim", "16"]), "32 numbers", "16");
    expectFailure(await simcse(["encode", "--model", model, "--calibration", calibration], { input: "x\n" }), "--precision int8");
  });

  it("is spread over workers by xargs, a shard each on standard input, with the vectors of the whole", async () => {
    const shards = file("shards");
    await mkdir(shards);
    const stdout = await succeed(["encode", "--model", model], {
      shell: (command) =>
        [
          `split -n l/4 ${text} ${shards}/shard-`,
          `ls ${shards}/shard-* | xargs -P 2 -I {} sh -c '"$@" < {} > {}.jsonl' sh ${command} 2> /dev/null`,
          `cat ${shards}/shard-*.jsonl`,
        ].join(" && "),
    });
    expect(parsed<Line>(stdout).map(({ sentence, embedding }) => ({ sentence, embedding }))).toEqual(
      tinySentences.map((sentence, i) => ({ sentence, embedding: vectors[i] })),
    );
  });

  it("makes nothing of an empty shard", async () => {
    expect(await succeed(["encode", "--model", model], { input: "" })).toBe("");
  });

  /** Starts an encoding into `output`, and gives how it ended and what is left of it. */
  function interruptible(output: string, args: readonly string[]) {
    const child = spawn(process.execPath, [program, "encode", "--model", model, "--output", file(output), ...args]);
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const left = async () => (await readdir(folder)).filter((name) => name.includes(output));
    const end = async () => ({ code: await ended, stderr: stderr.replace(/^Warning: max.*\n/gm, ""), left: await left() });
    return { child, left, end };
  }

  it("leaves nothing behind when it is interrupted while it waits for input", async () => {
    const { child, end } = interruptible("waiting.npy", []);
    // More than a pipe holds, less than is encoded at once: when it is taken, the program waits for more.
    await new Promise((taken) => child.stdin.write(`${"x".repeat(40_000)}\n`.repeat(10), taken));
    child.kill("SIGINT");
    expect(await end()).toEqual({ code: 130, stderr: "", left: [] });
  });

  it("leaves nothing behind when it is interrupted at work", async () => {
    await writeFile(file("many.txt"), `${tinySentences.join("\n")}\n`.repeat(20_000));
    const { child, left, end } = interruptible("working.jsonl", ["--input", file("many.txt")]);
    while ((await left()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    expect(await end()).toEqual({ code: 130, stderr: "", left: [] });
  });
});

describe("similarity", () => {
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

  it("compares texts, and files of texts and vectors", async () => {
    const numbers = (await succeed(["similarity", "--model", model, tinySentences[0]!, tinySentences[1]!, tinySentences[2]!]))
      .trim()
      .split("\n");
    expect(numbers.length).toBe(2);
    numbers.forEach((value, i) => void expect(Number(value)).toBeCloseTo(dot(vectors[0]!, vectors[i + 1]!), 5));
    await succeed(["encode", "--model", model, "--input", text, "--output", file("keys.npy")]);
    await succeed(["encode", "--model", model, "--input", text, "--output", file("int8.npy"), "--precision", "int8"]);
    for (const [keys, digits] of [
      ["keys.npy", 5],
      ["int8.npy", 2],
    ] as const) {
      const matrix = parsed<number[]>(await succeed(["similarity", "--model", model, "--queries", text, "--keys", file(keys)]));
      expect(matrix.length).toBe(6);
      for (const [i, row] of matrix.entries()) {
        for (const [j, value] of row.entries()) expect(value).toBeCloseTo(dot(vectors[i]!, vectors[j]!), digits);
      }
    }
  });

  it("gives the best keys of each query, or those above a threshold", async () => {
    await succeed(["encode", "--model", model, "--input", text, "--output", file("keys.npy")]);
    const both = ["--queries", file("keys.npy"), "--keys", text];
    const expected = (i: number) =>
      vectors.map((key, j) => ({ key: j, score: dot(vectors[i]!, key) })).toSorted((a, b) => b.score - a.score || a.key - b.key);
    type Line = { query: number; results: { key: number; score: number }[] };
    const best = parsed<Line>(await succeed(["similarity", "--model", model, ...both, "--top_k", "2"]));
    const above = parsed<Line>(await succeed(["similarity", "--model", model, ...both, "--threshold", "0.9"]));
    for (const [i, { query, results }] of best.entries()) {
      expect(query).toBe(i);
      expect(results.map(({ key }) => key)).toEqual(
        expected(i)
          .slice(0, 2)
          .map(({ key }) => key),
      );
      for (const { score } of results) expect(score).toBeLessThanOrEqual(1);
      expect(above[i]!.results.map(({ key }) => key)).toEqual(
        expected(i)
          .filter(({ score }) => score >= 0.9)
          .map(({ key }) => key),
      );
    }
  });

  it("says what is missing", async () => {
    expectFailure(await simcse(["similarity", "--model", model, "one"]), "--keys");
    expectFailure(await simcse(["similarity", "--model", model, "one", "two", "--keys", text]), "--keys");
  });
});

describe("index and search", () => {
  const index = file("some.index");
  interface Answer {
    readonly query: string;
    readonly results: { id: string | number; sentence: string; score: number }[];
  }
  const search = async (args: readonly string[], input?: string) =>
    parsed<Answer>(
      await succeed(["search", "--model", model, "--index", index, "--threshold", "-1", ...args], input === undefined ? {} : { input }),
    );

  it("builds, searches, adds and removes", async () => {
    expect(await succeed(["index", "build", "--model", model, "--input", text, "--index", index])).toBe("");
    const [first, second] = await search([tinySentences[1]!, tinySentences[4]!, "--top_k", "2"]);
    expect(first!.query).toBe(tinySentences[1]);
    expect(first!.results[0]).toMatchObject({ id: 1, sentence: tinySentences[1] });
    expect(second!.results[0]).toMatchObject({ id: 4, sentence: tinySentences[4] });
    await succeed(["index", "add", "--model", model, "--index", index, "--input_format", "jsonl", "--id_column", "key"], {
      input: '{"key":"extra","sentence":"A cat sleeps."}\n',
    });
    const left = join(dirname(index), `.${basename(index)}.${randomUUID()}.partial`);
    await writeFile(left, "what a killed command left");
    const yesterday = new Date(Date.now() - 24 * 3_600_000);
    await utimes(left, yesterday, yesterday);
    await succeed(["index", "remove", "--index", index, "1", "0"]);
    expect(existsSync(left)).toBe(false);
    // An id of a table is a text; here it names the sentence with that running number.
    const csv = ["--input_format", "csv", "--text_column", "text", "--id_column", "id", "--upsert"];
    await succeed(["index", "add", "--model", model, "--index", index, ...csv], { input: `id,text\n2,"${tinySentences[2]}"\n` });
    const [all] = await search(["--top_k", "100"], "A cat sleeps.\n");
    expect(all!.results.map(({ id }) => id).toSorted()).toEqual([2, 3, 4, 5, "extra"]);
    expect(all!.results[0]!.id).toBe("extra");
    // A model, which the command once needed, may still be named.
    expectFailure(await simcse(["index", "remove", "--model", model, "--index", index, "nobody"]), "nobody");
    const lock = join(dirname(index), `.${basename(index)}.lock`);
    await writeFile(lock, JSON.stringify({ pid: process.pid, host: hostname(), start: "2026-01-01T00:00:00.000Z" }));
    expectFailure(await simcse(["index", "remove", "--index", index, "2"]), `is being changed: process ${process.pid}`);
    const built = await simcse(["index", "build", "--model", model, "--index", index], { input: "Another\n" });
    expectFailure(built, `is being changed: process ${process.pid}`);
    await rm(lock);
  });

  it("keeps metadata, filters by it, replaces, lists, and takes vectors that are there already", async () => {
    const table = file("faq.csv");
    const rows = tinySentences.map((sentence, i) => `q${i},"${sentence}",${i % 2 === 0 ? "en" : "de"},${2000 + i}`);
    await writeFile(table, `${["key,text,lang,year", ...rows].join("\n")}\n`);
    const columns = ["--input", table, "--text_column", "text", "--id_column", "key", "--metadata_columns", "lang,year"];
    const faq = file("faq.index");
    await succeed(["encode", "--model", model, ...columns, "--output", file("faq.npy")]);
    const records = parsed<{ id: string; metadata: object }>(await readFile(file("faq.records.jsonl"), "utf8"));
    expect(records[1]).toEqual({ sentence: tinySentences[1], id: "q1", metadata: { lang: "de", year: 2001 } });
    await succeed(["index", "build", "--model", model, ...columns, "--index", faq, "--vectors", file("faq.npy")]);
    await succeed(words(`index add --model ${model} --index ${faq} --input_format jsonl --id_column id --metadata_columns lang --upsert`), {
      input: '{"id":"q1","sentence":"A cat sleeps.","lang":"fr"}\n',
    });
    const list = async (filter: object) =>
      parsed<{ id: string }>(await succeed(["index", "list", "--index", faq, "--filter", JSON.stringify(filter)])).map(({ id }) => id);
    expect(await list({ year: { gte: 2003 } })).toEqual(["q3", "q4", "q5"]);
    expect(await list({ lang: "fr" })).toEqual(["q1"]);
    const given = ["--model", model, "--index", faq, "--filter", '{"lang":"de"}', "--threshold", "0.99999"];
    const { stdout, stderr } = await simcse(["search", ...given, tinySentences[3]!, tinySentences[0]!]);
    const answers = parsed<Answer & { number: number }>(stdout);
    expect(answers.map(({ number }) => number)).toEqual([0, 1]);
    expect(answers[0]!.results).toMatchObject([{ id: "q3", metadata: { lang: "de", year: 2003 } }]);
    expect(answers[1]!.results).toEqual([]);
    expect(stderr).toContain("query 1: the best result has");
    // The same queries as vectors.
    const [, , , byVector] = parsed<Answer>((await simcse(["search", ...given, "--input", file("faq.npy")])).stdout);
    expect(byVector!.results).toMatchObject([{ id: "q3" }]);
    await writeFile(table, "key,text\na,one\nb,\na,three\n");
    const twice = words(`index build --model ${model} --input ${table} --text_column text --id_column key --index ${file("twice.index")}`);
    expectFailure(await simcse(twice), "row 3 of", 'the id "a", as row 1');
    expectFailure(
      await simcse(["search", "--model", model, "--index", faq, "--filter", '{"year":{"above":3}}', "x"]),
      "--filter",
      '"above"',
    );
    await writeFile(file("bare.npy"), await readFile(file("faq.npy")));
    expectFailure(await simcse(["index", "build", "--model", model, "--input", file("bare.npy"), "--index", faq]), "--vectors");
  });

  it("is exported, and built again of what was exported", async () => {
    const [from, again] = [file("exported.index"), file("again.index")];
    const table = file("export.jsonl");
    await writeFile(
      table,
      tinySentences.map((sentence, i) => `${JSON.stringify({ sentence, key: `k${i}`, ...(i > 0 && { year: i }) })}\n`).join(""),
    );
    const ids = ["--id_column", "key", "--metadata_columns", "year"];
    await succeed(["index", "build", "--model", model, "--input", table, ...ids, "--index", from]);
    const list = async (path: string) => parsed<object>(await succeed(["index", "list", "--index", path]));
    const before = await list(from);
    const read = ["--id_column", "id", "--metadata_columns", "metadata", "--vector_column", "embedding"];
    for (const [output, given] of [
      ["export.parquet", read],
      ["export.npy", []],
    ] as const) {
      await succeed(["index", "export", "--index", from, "--output", file(output)]);
      await succeed(["index", "build", "--model", model, "--input", file(output), ...given, "--index", again]);
      expect(await list(again)).toEqual(before);
    }
    await succeed(["index", "export", "--index", from, "--format", "faiss", "--output", file("flat.bin")]);
    expect((await readFile(file("flat.bin"))).subarray(0, 4).toString()).toBe("IxFI");
    expectFailure(await simcse(["index", "export", "--index", from, "--output", file("flat.bin")]), "flat.bin", "--format");
    expectFailure(await simcse(["index", "export", "--index", from, "--format", "npy", "--output", from]), "is also the file of --index");
    expectFailure(await simcse(["index", "export", "--index", text, "--output", file("x.npy")]), "sentences.txt", "not an index");
    const build = ["index", "build", "--model", model, "--index", again, "--input", file("export.parquet")];
    expectFailure(await simcse([...build, "--vector_column", "sentence"]), "row 1", "a list of numbers", "--vector_column");
  });

  it("is not needed to leave out near-duplicates", async () => {
    const input = `${[...tinySentences, tinySentences[2]].join("\n")}\n`;
    const cosine = (i: number, j: number) => vectors[i % 6]!.reduce((sum, value, k) => sum + value * vectors[j % 6]![k]!, 0);
    // An untrained model's vectors are all alike: the threshold lies between the two that are most alike and the rest.
    const cosines = tinySentences.flatMap((_, i) => tinySentences.slice(0, i).map((_, j) => cosine(i, j))).toSorted((x, y) => y - x);
    const threshold = (cosines[0]! + cosines[1]!) / 2;
    const later = tinySentences.findIndex((_, i) => tinySentences.slice(0, i).some((_, j) => cosine(i, j) > threshold));
    const left = [later, 6];
    const given = ["--threshold", String(threshold), "--duplicates", file("left.jsonl")];
    const kept = parsed<{ row: number }>(await succeed(["dedupe", "--model", model, ...given], { input }));
    expect(kept.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4, 5, 6].filter((row) => !left.includes(row)));
    const written = parsed<{ row: number; repeats: number; sentence: string }>(await readFile(file("left.jsonl"), "utf8"));
    expect(written.map(({ row }) => row)).toEqual(left);
    expect(written[1]!.sentence).toBe(tinySentences[2]);
  });

  it("names a damaged index, and one that is not there", async () => {
    const damaged = file("damaged.index");
    await writeFile(damaged, await readFile(index));
    await truncate(damaged, 1000);
    expectFailure(await simcse(["search", "--model", model, "--index", damaged, "x"]), "damaged.index");
    expectFailure(await simcse(["search", "--model", model, "--index", file("none.index"), "x"]), "none.index");
    expectFailure(await simcse(["search", "--model", model, "--index", text, "x"]), "sentences.txt", "`simcse index` wrote");
  });
});

describe("bad input", () => {
  const latin1 = Buffer.from("sentence\ncaf\u00e9\n", "latin1");

  it.each([
    ["two models", ["encode", "--model", "a", "--model_name_or_path", "b"], "", ["--model_name_or_path"]],
    ["a table of another encoding", ["encode", "--model", model, "--input_format", "csv"], latin1, ["standard input is not UTF-8"]],
    ["too many numbers", ["encode", "--model", model, "--truncate_dim", "33"], "x\n", ["33", "32"]],
    ["an output of no known format", ["encode", "--model", model, "--output", "x.parquet"], "x\n", [".npy"]],
    ["a search for nothing", ["search", "--model", model, "--index", "x", "--top_k", "0", "x"], "", ["--top_k"]],
    ["a search for all", ["search", "--model", model, "--index", "x", "--top_k", "1001", "x"], "", ["--top_k", "1000"]],
    ["a port that is none", ["serve", "--model", model, "--port", "65536"], "", ["--port", "65535"]],
    ["a key that no client can send", ["serve", "--model", model, "--port", "0", "--api_key", "sesame\n"], "", ["white space"]],
    ["a table that is not there", ["encode", "--model", model, "--input", "nowhere.csv"], "", ["nowhere.csv"]],
  ] satisfies [string, string[], string | Uint8Array, string[]][])("%s", async (_, args, input, words) => {
    expectFailure(await simcse(args, { input }), ...words);
  });

  it("a folder as standard input", async () => {
    const given = await simcse(["encode", "--model", model], { shell: (command) => `${command} < /` });
    expectFailure(given, "standard input is a folder", "--input");
  });

  it("an output that would replace the input", async () => {
    const [table, records] = [file("kept.jsonl"), file("kept.records.jsonl")];
    const content = '{"sentence":"A cat sleeps.","kept":"only here"}\n';
    for (const path of [table, records]) await writeFile(path, content);
    for (const args of [
      ["encode", "--input", table, "--output", table],
      ["encode", "--input", records, "--output", file("kept.npy")],
      ["index", "build", "--input", table, "--index", table],
      ["dedupe", "--input", table, "--duplicates", table],
      ["dedupe", "--input", table, "--groups", file("twice.jsonl"), "--pairs", file("twice.jsonl")],
      ["data", "mine", "--train_file", table, "--output", table],
      ["evaluate", "--eval_file", table, "--predictions", table],
    ])
      expectFailure(await simcse([...args, "--model", model]), "whose content would be lost");
    for (const path of [table, records]) expect(await readFile(path, "utf8")).toBe(content);
  });
});

describe("serve", () => {
  function start(args: readonly string[]) {
    const child = spawn(process.execPath, [program, "serve", "--model", model, ...args]);
    let stderr = "";
    const listening = new Promise<string>((resolve, reject) => {
      child.stderr.on("data", (chunk) => {
        stderr += chunk;
        const url = /serving on (\S+)/.exec(stderr)?.[1];
        if (url) resolve(url);
      });
      child.on("close", () => reject(new Error(stderr)));
    });
    return { child, listening, ended: new Promise<number | null>((resolve) => child.on("close", resolve)) };
  }

  it("serves until it is told to end, and says where it cannot", async () => {
    const { child, listening, ended } = start(["--port", "0", "--index", text, "--served_model_name", "mine"]);
    const url = await listening;
    const answer = await fetch(`${url}/api?${new URLSearchParams({ query: tinySentences[3]!, topk: "1" })}`);
    expect(((await answer.json()) as { ret: unknown[] }).ret).toMatchObject([{ sentence: tinySentences[3] }]);
    expect(((await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] }).data[0]!.id).toBe("mine");
    const { port } = new URL(url);
    expectFailure(await simcse(["serve", "--model", model, "--port", port]), port, "--port");
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(child.stdout.read()).toBeNull();
  });
});

describe("dedupe and cluster", () => {
  const matrix = file("golden.npy");

  beforeAll(() => writeFile(matrix, encodeNpy([golden.rows, golden.dimension], goldenVectors)));

  it("cluster vectors without a model, like sentence-transformers", async () => {
    const given = ["--threshold", String(golden.threshold), "--min_community_size", String(golden.min_size)];
    const clusters = parsed<{ size: number; members: { row: number; score: number }[] }>(
      await succeed(["cluster", "--input", matrix, ...given]),
    );
    expect(clusters.map(({ members }) => members.map(({ row }) => row))).toEqual(golden.communities);
    expect(clusters.map(({ size }) => size)).toEqual(golden.communities.map(({ length }) => length));
    const none = await simcse(["cluster", "--input", matrix, "--threshold", "0.99999"]);
    expect(none).toMatchObject({ code: 0, stdout: "" });
    expect(none.stderr).toContain("lower --threshold 0.99999");
  });

  it("say before the work that an output cannot be written", async () => {
    expectFailure(await simcse(["dedupe", "--input", matrix, "--groups", file("nowhere/groups.jsonl")]), "nowhere/groups.jsonl");
  });

  it("write the groups of duplicates and all pairs, with their texts", async () => {
    const texts = Array.from({ length: golden.rows }, (_, i) => `text ${i}`);
    await writeFile(file("golden.txt"), `${texts.join("\n")}\n`);
    const outputs = ["--groups", file("groups.jsonl"), "--pairs", file("pairs.jsonl")];
    const given = ["--input", file("golden.txt"), "--vectors", matrix, "--threshold", "0.9", ...outputs];
    const kept = parsed<{ row: number; sentence: string }>(await succeed(["dedupe", ...given]));
    for (const { row, sentence } of kept) expect(sentence).toBe(texts[row]);
    const groups = parsed<{ row: number; sentence: string; duplicates: { row: number; sentence: string; score: number }[] }>(
      await readFile(file("groups.jsonl"), "utf8"),
    );
    const grouped = groups.flatMap(({ duplicates }) => duplicates.map(({ row }) => row));
    expect([...kept.map(({ row }) => row), ...grouped].toSorted((a, b) => a - b)).toEqual(texts.map((_, i) => i));
    const pairs = parsed<{ sentence1: string; sentence2: string; score: number; row1: number; row2: number }>(
      await readFile(file("pairs.jsonl"), "utf8"),
    );
    const expected = golden.pairs.filter(([, , score]) => score >= 0.9);
    expect(new Set(pairs.map(({ row1, row2 }) => `${row1} ${row2}`))).toEqual(new Set(expected.map(([a, b]) => `${a} ${b}`)));
    for (const { sentence1, sentence2, row1, row2 } of pairs) expect([sentence1, sentence2]).toEqual([texts[row1], texts[row2]]);
    expectFailure(await simcse(["cluster", "--input", text, "--vectors", matrix]), `has ${golden.rows} vectors`, "6 texts");
  });
});
