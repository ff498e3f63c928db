/** The frame of a report: one self-contained HTML page with a head, facts and sections. */
import { escapeHtml } from "./html.ts";
import { reportStyle } from "./style.ts";

export interface Page {
  readonly name: string;
  /** A sentence under the name. */
  readonly about: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** HTML under headings; empty sections are left out. */
  readonly sections: readonly (readonly [heading: string, content: string])[];
}

/** A complete HTML document. */
export function pageHtml({ name, about, facts, sections }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(name)} · SimCSE training</title>
<style>${reportStyle}</style>
</head>
<body>
<header>
<h1>${escapeHtml(name)}</h1>
<p>${escapeHtml(about)}</p>
${facts.length === 0 ? "" : `<dl class="facts">${entries(facts)}</dl>`}
</header>
${sections
  .filter(([, content]) => content !== "")
  .map(([heading, content]) => `<section><h2>${heading}</h2>${content}</section>`)
  .join("\n")}
</body>
</html>
`;
}

/** Names and values as entries of a list. */
function entries(pairs: Page["facts"]): string {
  return pairs.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join("\n");
}

/** Charts side by side; charts without values are empty texts. */
export function chartGrid(charts: readonly string[]): string {
  const drawn = charts.filter((chart) => chart !== "");
  return drawn.length > 0 ? `<div class="charts">${drawn.join("\n")}</div>` : "<p>Nothing was logged yet.</p>";
}

/** Options by name, without those that are undefined. */
export function configuration(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)] as const);
  return rows.length === 0 ? "" : `<dl class="options">${entries(rows)}</dl>`;
}
