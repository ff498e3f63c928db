/** Every link between the pages of the repository leads to a file that is there, and to a heading that it has. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const folders = [".", "docs", "bench", "bench/peers", "bench/small-model", "models", "examples/ray", "examples/spark"];
const pages = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);

/** A page without its programs, whose comments look like headings. */
const prose = (page: string) => readFileSync(page, "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");

/** The names of a page's headings, as GitHub makes them. */
const headings = (page: string) =>
  [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
    text!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );

it.each(pages)("%s", (page) => {
  const broken = [...prose(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].filter(([, path, heading]) => {
    const target = path === "" ? page : join(dirname(page), path!);
    return !existsSync(target) || (heading !== undefined && !headings(target).includes(heading));
  });
  expect(broken.map(([link]) => link)).toEqual([]);
});
