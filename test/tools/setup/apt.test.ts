/** Apt sources: a file that somebody else wrote is neither changed nor removed. Nothing is installed here. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AptGet } from "../../../tools/setup/apt.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const sources = await temporaryFolder();

/** An apt whose installations fail. */
const failing = () => {
  const commands: string[] = [];
  const run = async (command: readonly string[]) => {
    commands.push(command.join(" "));
    return { code: command.includes("install") ? 100 : 0, output: "E: no such package" };
  };
  return { commands, apt: new AptGet(run, sources) };
};

it("a source of our own is removed again when the installation fails, and no other is touched", async () => {
  const others = ["bookworm-backports.list", "user.list"];
  for (const name of others) await writeFile(join(sources, name), "deb http://example.org/ none main\n");
  const { apt, commands } = failing();
  const lines: string[] = [];
  expect(await apt.install(["nothing"], { backports: true, log: (line) => lines.push(line) })).toBe("E: no such package");
  expect(lines.join("\n")).toMatch(/added the apt source .*simcse-webgpu-.*\nremoved the apt source/);
  expect((await readdir(sources)).sort()).toEqual(others);
  for (const name of others) expect(await readFile(join(sources, name), "utf8")).toContain("example.org");
  expect(commands.every((command) => !command.includes("sudo"))).toBe(true);
});

it("a source of our own that was there before stays", async () => {
  const { apt } = failing();
  const before = (await readdir(sources)).length;
  await apt.install(["nothing"], { backports: true, log: () => {} });
  const own = join(
    sources,
    `simcse-webgpu-${/CODENAME=(\w+)/.exec(await readFile("/etc/os-release", "utf8").catch(() => ""))?.[1] ?? ""}-backports.list`,
  );
  await writeFile(own, "# edited\n");
  await apt.install(["nothing"], { backports: true, log: () => {} });
  expect(await readFile(own, "utf8")).toBe("# edited\n");
  expect((await readdir(sources)).length).toBe(before + 1);
});
