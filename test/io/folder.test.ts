import { describe, expect, it } from "vitest";
import { FileError, FormatError } from "../../src/errors.ts";
import { MemoryFolder, readJson, readText } from "../../src/io/folder.ts";

const folder = new MemoryFolder("models/tiny", [
  ["config.json", '\uFEFF{"hidden_size": 128}'],
  ["broken.json", '{"hidden_size": 12'],
  ["empty.json", "\n"],
  ["latin1.txt", Uint8Array.of(0x63, 0x61, 0x66, 0xe9)],
  ["bytes.bin", Uint8Array.of(1, 2, 3, 4, 5)],
]);

describe("MemoryFolder", () => {
  it("reads whole files and ranges, in arrays of their own", async () => {
    expect(await folder.size("bytes.bin")).toBe(5);
    expect([...(await folder.read("bytes.bin"))]).toEqual([1, 2, 3, 4, 5]);
    const range = await folder.read("bytes.bin", 1, 3);
    expect([...range]).toEqual([2, 3]);
    range.fill(9);
    expect([...(await folder.read("bytes.bin", 1))]).toEqual([2, 3, 4, 5]);
    expect(await folder.read("bytes.bin", 5, 5)).toHaveLength(0);
  });

  it("names the file and the bytes of a range that the file does not have", async () => {
    await expect(folder.read("bytes.bin", 2, 6)).rejects.toThrow("models/tiny/bytes.bin holds 5 bytes, bytes 2 to 6 were asked for");
    await expect(folder.read("bytes.bin", 3, 2)).rejects.toThrow(FileError);
  });

  it("knows what it has not", async () => {
    expect(await folder.has("bytes.bin")).toBe(true);
    expect(await folder.has("other.bin")).toBe(false);
    await expect(folder.size("other.bin")).rejects.toThrow("models/tiny/other.bin does not exist");
    await expect(folder.size("*.txt")).rejects.toMatchObject({ remedy: expect.stringContaining("the shell left * as it is") });
    await expect(folder.read("other.bin")).rejects.toThrow(FileError);
  });

  it("takes a file in chunks, and not at all when the chunks break off", async () => {
    const target = new MemoryFolder();
    const reused = new Uint8Array(2);
    async function* chunks(fail: boolean) {
      for (const value of [1, 2]) yield reused.fill(value);
      if (fail) throw new Error("broke off");
    }
    await target.write("a", chunks(false));
    expect([...(await target.read("a"))]).toEqual([1, 1, 2, 2]);
    await expect(target.write("b", chunks(true))).rejects.toThrow("broke off");
    expect(target.files).toEqual(["a"]);
  });
});

describe("readText and readJson", () => {
  it("drop a byte-order mark", async () => {
    expect(await readText(folder, "config.json")).toBe('{"hidden_size": 128}');
    expect(await readJson<{ hidden_size: number }>(folder, "config.json")).toEqual({ hidden_size: 128 });
  });

  it("name the file that is not what it should be", async () => {
    await expect(readText(folder, "latin1.txt")).rejects.toThrow("models/tiny/latin1.txt is not UTF-8 text");
    await expect(readJson(folder, "broken.json")).rejects.toThrow(/^models\/tiny\/broken\.json is not valid JSON: /);
    await expect(readJson(folder, "broken.json")).rejects.toThrow(FormatError);
    await expect(readJson(folder, "empty.json")).rejects.toThrow("models/tiny/empty.json is not valid JSON: it is empty");
    await expect(readJson(folder, "missing.json")).rejects.toThrow(FileError);
  });
});
