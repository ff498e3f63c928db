/** Markdown: a heading and the paragraph below it; a paragraph's bold beginning and the rest of it. */
import type { Entry } from "../entry.ts";
import { plainText } from "../prose.ts";

/** Paragraphs that are tables, lists, quotations, images, HTML or comments say nothing in sentences. */
const notProse = /^\s*(\||[-*+] |\d+[.)] |>|!\[|<)/;
const heading = /^#{1,6}\s+(.+?)\s*#*$/;
const boldBeginning = /^\*\*(.+?)\*\*[.:]?\s+(.+)$/s;
const fence = /^\s*(```|~~~)/;

export function* markdownEntries(source: string): Generator<Entry> {
  let title: string | null = null;
  for (const { text, line } of paragraphs(source)) {
    const found = heading.exec(text);
    if (found) {
      title = plainText(found[1]!);
      continue;
    }
    const bold = boldBeginning.exec(text);
    const description = bold ? plainText(bold[1]!) : title;
    title = null;
    if (description === null || notProse.test(text)) continue;
    yield { kind: "sections", description: description.replace(/[.:]$/, ""), content: plainText(bold ? bold[2]! : text), line };
  }
}

/** Headings, and blocks of lines between blank ones. Fenced code is left out. */
function* paragraphs(source: string): Generator<{ readonly text: string; readonly line: number }> {
  let open: { lines: string[]; line: number } | null = null;
  let fenced = false;
  for (const [i, text] of [...source.split(/\r?\n/), ""].entries()) {
    const isFence = fence.test(text);
    const isHeading = !fenced && heading.test(text);
    if (open && (isFence || fenced || isHeading || text.trim() === "")) {
      yield { text: open.lines.join("\n"), line: open.line };
      open = null;
    }
    if (isFence) fenced = !fenced;
    else if (isHeading) yield { text, line: i + 1 };
    else if (!fenced && text.trim() !== "") {
      open ??= { lines: [], line: i + 1 };
      open.lines.push(text);
    }
  }
}
