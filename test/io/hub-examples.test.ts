/** Data sets by name: which of their files hold a split, several read as one, and the error if there is none. */
import { readFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FileError, OptionError } from "../../src/errors.ts";
import { openParts } from "../../src/io/examples.ts";
import { filesOfSplit, type SplitChoice } from "../../src/io/hub/parquet-splits.ts";
import { type HubExamplesOptions, openHubExamples } from "../../src/io/hub-examples-node.ts";
import { streamSource } from "../../src/io/text/source.ts";
import { temporaryFolder } from "../tiny-model.ts";
import { collect } from "./collect.ts";
import { startHub } from "./hub-server.ts";

interface GoldenTable {
  readonly bytes: string;
  readonly rows: readonly (readonly (string | number)[])[];
}
const tables = JSON.parse(readFileSync(new URL("../golden/tables.json", import.meta.url), "utf8")) as Readonly<Record<string, GoldenTable>>;
const bytesOf = (name: string) => Uint8Array.from(Buffer.from(tables[name]!.bytes, "base64"));
const [triplets, same, scored] = ["snappy.parquet", "zstd.parquet", "scored.parquet"].map(bytesOf) as [Uint8Array, Uint8Array, Uint8Array];
const { rows } = tables["snappy.parquet"]!;

const readme = new TextEncoder().encode("# A set");
const parts = { "data/train-00000-of-00002.parquet": triplets, "data/train-00001-of-00002.parquet": same };
const hub = await startHub({
  "datasets/lab/triplets": {
    files: { "README.md": readme, ...parts, "data/test-00000-of-00001.parquet": scored },
    lfs: Object.keys(parts),
  },
  "datasets/lab/mixed": { files: { "train-00000-of-00002.parquet": triplets, "train-00001-of-00002.parquet": scored } },
  "datasets/lab/csv": { files: { "train.csv": readme } },
});
const root = await temporaryFolder();
let caches = 0;
const options = (more: Omit<HubExamplesOptions, "cacheDir"> = {}) => ({
  endpoint: hub.url,
  cacheDir: join(root, `cache${caches++}`),
  ...more,
});
const textsOf = async (name: string, given: HubExamplesOptions) =>
  (await collect((await openHubExamples(name, given)).examples)).map(({ texts }) => texts);

afterEach(() => {
  hub.requests.length = 0;
  vi.unstubAllEnvs();
});

describe("a data set of the hub", () => {
  it("is one table of its files in their order, kept in the cache as Python's libraries keep it", async () => {
    const given = options();
    const table = await openHubExamples("lab/triplets", given);
    expect([table.name, table.kind, table.understood]).toEqual([
      "lab/triplets train",
      "triplets",
      "2 files; 3 columns: sent0, sent1, hard_neg",
    ]);
    expect((await collect(table.examples)).map(({ texts }) => texts)).toEqual([...rows, ...rows]);
    expect(await readdir(given.cacheDir)).toEqual(["datasets--lab--triplets"]);
    expect(hub.requests.filter((request) => request.includes("storage"))).toHaveLength(2);
    // Only what is needed is fetched, and nothing twice.
    expect(hub.requests.filter((request) => /README|test-/.test(request))).toEqual([]);
    hub.requests.length = 0;
    expect(await textsOf("lab/triplets", { ...given, offline: true })).toEqual([...rows, ...rows]);
    expect(hub.requests).toEqual([]);
    const notes: string[] = [];
    expect(await textsOf("lab/triplets", { ...given, endpoint: "http://127.0.0.1:9", onNote: (note) => notes.push(note) })).toHaveLength(
      2 * rows.length,
    );
    expect(notes).toEqual([expect.stringMatching(/The data set in the cache is used\.$/)]);
  });

  it("gives another split, revision and columns", async () => {
    const given = { split: "test", revision: "refs/convert/parquet", columns: "sent0=sentence1,sent1=sentence2,score=label" };
    const table = await openHubExamples("lab/triplets", options(given));
    expect(table.kind).toBe("scored pairs");
    expect((await collect(table.examples)).map(({ texts, score }) => [...texts, score])).toEqual(tables["scored.parquet"]!.rows);
  });

  it("of which a part is not in the cache is not read without it", async () => {
    const given = options();
    for await (const _ of (await openHubExamples("lab/triplets", given)).examples) break;
    await expect(textsOf("lab/triplets", { ...given, offline: true })).rejects.toThrow("train-00001-of-00002.parquet is not in the cache");
    // A cache that Python's libraries filled does not say which files there are.
    await rm(join(given.cacheDir, "datasets--lab--triplets", ".files"), { recursive: true });
    const offline = openHubExamples("lab/triplets", { ...given, offline: true });
    await expect(offline).rejects.toThrow("lab/triplets: data/train-00000-of-00002.parquet is not all 2 parts");
    await expect(offline).rejects.toMatchObject({ remedy: expect.stringContaining("run once without --offline") });
  });

  it.each<[string, string, HubExamplesOptions, string]>([
    ["not there", "lab/nothing", {}, "has no data set lab/nothing with the revision main"],
    ["private", "private/set", {}, "refuses private/set (401): there is no such data set"],
    ["not in the cache", "lab/triplets", { offline: true }, "lab/triplets at main is not in the cache"],
    ["without Parquet", "lab/csv", {}, "lab/csv holds no Parquet file"],
  ])("that is %s says so", async (_, name, more, message) => {
    const opened = openHubExamples(name, options(more));
    await expect(opened).rejects.toThrow(FileError);
    await expect(opened).rejects.toThrow(message);
  });

  it("refuses what it does not have, parts of other columns, and options that there are not", async () => {
    const dev = openHubExamples("lab/triplets", options({ split: "dev" }));
    await expect(dev).rejects.toThrow("lab/triplets has no Parquet file of the split dev");
    await expect(dev).rejects.toMatchObject({ remedy: expect.stringMatching(/: train, test\.$/) });
    await expect(textsOf("lab/mixed", options())).rejects.toThrow("lab/mixed/train-00001-of-00002.parquet: what ");
    await expect(openHubExamples("lab/triplets", { splits: "test" } as HubExamplesOptions)).rejects.toThrow(OptionError);
    await expect(openHubExamples("../triplets", options())).rejects.toThrow("is no name of a data set");
  });
});

it("parts of a table have its columns", async () => {
  const part = (name: string, text: string) =>
    streamSource(
      (async function* () {
        yield new TextEncoder().encode(text);
      })(),
      name,
    );
  const [one, two] = ["sent0,sent1\na,b\n", "sent0,sent1,other\n,d,e\n"];
  const table = await openParts("both", [part("one.csv", one), part("two.csv", two)], { columns: "sent0=sent0,sent1=sent1" });
  expect([await collect(table.examples), table.missing()]).toEqual([[{ texts: ["a", "b"] }, { texts: [" ", "d"] }], 1]);
  const { examples } = await openParts("both", [part("one.csv", one), part("three.csv", "question,answer\nc,d\n")]);
  await expect(collect(examples)).rejects.toThrow("three.csv has the columns question, answer, and one.csv sent0, sent1");
});

describe("the files of a split", () => {
  it.each<[readonly string[], SplitChoice, readonly string[]]>([
    [["test.parquet", "train.parquet", "train.csv"], {}, ["train.parquet"]],
    [["train/b.parquet", "train/a.parquet", "test/a.parquet"], {}, ["train/a.parquet", "train/b.parquet"]],
    [["train-10.parquet", "train-9.parquet"], {}, ["train-9.parquet", "train-10.parquet"]],
    [["data/train-00000-of-00001-a09b74b3ef9c3b56.parquet"], {}, ["data/train-00000-of-00001-a09b74b3ef9c3b56.parquet"]],
    [["0000.parquet", "0001.parquet"], {}, ["0000.parquet", "0001.parquet"]],
    [["data/part-0.parquet"], {}, ["data/part-0.parquet"]],
    [
      ["pair/train-00000-of-00001.parquet", "triplet/train-00000-of-00001.parquet"],
      { config: "pair" },
      ["pair/train-00000-of-00001.parquet"],
    ],
    [["a/partial-train/0000.parquet"], { split: "partial-train" }, ["a/partial-train/0000.parquet"]],
    [["default/train/0000.parquet", "other/train/0000.parquet"], {}, ["default/train/0000.parquet"]],
    [["data/en/dev.parquet", "data/de/dev.parquet"], { config: "de", split: "dev" }, ["data/de/dev.parquet"]],
    [["queries.parquet", "corpus.parquet"], { split: "corpus" }, ["corpus.parquet"]],
  ])("%j with %j", (files, choice, expected) => {
    expect(filesOfSplit("a/set", files, choice)).toEqual(expected);
  });

  it.each<[readonly string[], SplitChoice, string, string]>([
    [["en/train.parquet", "de/train.parquet"], {}, "has several configurations", ": en, de"],
    [["en/train.parquet", "de/test.parquet"], { config: "de" }, "no configuration de with the split train", ": en"],
    [["train.parquet", "data/train.parquet"], {}, "are not all parts of one table", "as files"],
    [["train-0-of-2.parquet", "train-0-of-1.parquet"], {}, "are not all parts of one table", "as files"],
  ])("%j with %j are refused", (files, choice, message, remedy) => {
    const given = () => filesOfSplit("a/set", files, choice);
    expect(given).toThrow(message);
    expect(given).toThrow(expect.objectContaining({ remedy: expect.stringContaining(remedy) }) as Error);
  });
});
