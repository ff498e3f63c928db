/** Python: functions, methods and classes with their docstrings, what a module says about itself, and argparse's options. */
import type { Entry } from "../entry.ts";
import { firstSentence, lineCounter, plainText } from "../prose.ts";
import { headEnd } from "./declaration.ts";

const definition = /^([ \t]*)(?:async )?(def|class) (\w+)/gm;
const docstringAt = /^:[^\n]*\n\s*[rRuUbB]?("""|''')([\s\S]*?)\1/;
const moduleDocstring = /^(?:#[^\n]*\n|\s)*[rRuUbB]?("""|''')([\s\S]*?)\1/;
const option = /\.add_argument\(\s*["'](-[^"']+)["'][^)]*?\bhelp=\s*["']([^"']+)["']/g;

export function* pythonEntries(source: string, path: string): Generator<Entry> {
  const defined = [...source.matchAll(definition)];
  const about = moduleDocstring.exec(source);
  if (about) {
    const names = defined.filter(([, indent]) => indent === "").map(([, , , name]) => name);
    yield { kind: "code", description: summary(about[2]!), content: [`${path}:`, names.join(", ")].join(" ").replace(/: $/, ""), line: 1 };
  }
  const lineAt = lineCounter(source);
  for (const { 0: whole, 1: indent, 2: keyword, 3: name, index } of defined) {
    const start = index + whole.length - name!.length;
    const end = headEnd(source, start, (at) => source[at] === ":");
    if (end === -1 || name!.startsWith("__")) continue;
    const said = docstringAt.exec(source.slice(end, end + 4000))?.[2];
    if (said === undefined && name!.startsWith("_")) continue;
    const owner = indent === "" ? undefined : defined.findLast((found) => found.index < index && found[1]!.length < indent!.length);
    const head = source
      .slice(start, end)
      .replace(/\s+/g, " ")
      .replace(/\bself, |\bself\b/, "");
    const content = keyword === "class" ? `class ${head}` : owner?.[2] === "class" ? `${owner[3]}.${head}` : head;
    yield { kind: "code", description: said === undefined ? null : summary(said) || null, content, line: lineAt(index) };
  }
  const optionLine = lineCounter(source);
  for (const { 1: flag, 2: help, index } of source.matchAll(option)) {
    yield { kind: "options", description: plainText(help!), content: flag!, line: optionLine(index) };
  }
}

/** A docstring's first sentence; a blank line ends it too. */
const summary = (text: string) => firstSentence(text.trim().split(/\n\s*\n/)[0]!);
