/**
 * TypeScript and JavaScript: exported declarations and their methods with their docstrings, what a file says about itself, errors with their
 * remedies, and options of command lines. A grammar of regular expressions is enough for that; what it does not understand it leaves out.
 */
import type { Entry } from "../entry.ts";
import { firstSentence, lineCounter, plainText } from "../prose.ts";
import { headEnd, stringEnd } from "./declaration.ts";

/** A docstring with the indentation of what follows it, or an exported declaration without one. */
const places =
  /\/\*\*([\s\S]*?)\*\/[ \t]*\n?([ \t]*)|^export (?=(?:default |async |abstract |declare )*(?:function|class|interface|type|const|enum)\b)/gm;

const modifiers = /^(?:(?:export|default|declare|async|abstract|override|public|protected|static|readonly|get|set)\s+)+/;
const owner = /^(?:export )?(?:default |abstract |declare )*(?:class|interface|const) (\w+)/gm;
const exported = /^export (?:default |async |abstract |declare )*(?:function\*?|class|interface|type|const|enum) (\w+)/gm;

export function* typescriptEntries(source: string, path: string): Generator<Entry> {
  yield* aboutFile(source, path);
  yield* declarations(source);
  yield* messages(source);
}

/** The comment that a file begins with, when it is not a declaration's. */
function* aboutFile(source: string, path: string): Generator<Entry> {
  const found = /^(?:#![^\n]*\n)?\s*\/\*\*([\s\S]*?)\*\/[ \t]*\n(?=\s*\n|import\b|\/[/*])/.exec(source);
  if (found === null) return;
  const names = [...source.matchAll(exported)].map(([, name]) => name!);
  yield { kind: "code", description: docstring(found[1]!), content: names.length === 0 ? path : `${path}: ${names.join(", ")}`, line: 1 };
}

function* declarations(source: string): Generator<Entry> {
  const lineAt = lineCounter(source);
  const owners = [...source.matchAll(owner)];
  const hasExports = /^export\b/m.test(source);
  let documented = -1;
  for (const { 0: whole, 1: comment, 2: indent, index } of source.matchAll(places)) {
    if (index === documented) continue;
    const at = index + (comment === undefined ? 0 : whole.length);
    documented = at;
    const isPublic = comment === undefined || indent !== "" || !hasExports || source.startsWith("export ", at);
    const head = isPublic ? declarationHead(source, at) : null;
    if (head === null) continue;
    const of = indent ? owners.findLast((found) => found.index < index)?.[1] : undefined;
    // The properties of an interface are part of its own entry.
    if (indent && (of === undefined || !head.includes("("))) continue;
    const content = of === undefined ? head : `${of}.${head}`;
    yield { kind: "code", description: comment === undefined ? null : docstring(comment), content, line: lineAt(index) };
  }
}

/** A docstring's description, without its tags. */
function docstring(comment: string): string {
  const text = comment.replace(/^[ \t]*\* ?/gm, "").split(/^\s*@/m)[0]!;
  return firstSentence(text);
}

/** The signature that begins at `at`, without modifiers and body; or null if it is none. */
function declarationHead(source: string, at: number): string | null {
  const isType = /^(?:export |declare )*type\b/.test(source.slice(at, at + 30));
  const end = headEnd(source, at, (i) => {
    const character = source[i]!;
    if (character === ";" || character === ",") return true;
    // After an arrow or a colon, a brace begins a type.
    if (character === "{") return !/(?:[:|&<,]|=>|=)\s*$/.test(source.slice(Math.max(at, i - 20), i));
    if (character === "=" && source[i + 1] !== ">") return !isType && !/^=\s*(?:async\s*)?[(<]/.test(source.slice(i, i + 20));
    if (character === "=" && source[i + 1] === ">") return /^(?:export )?(?:const|let) /.test(source.slice(at, at + 20));
    return (
      character === "\n" &&
      !/^\s*[|&?:.{=]|^\s*(?:extends|implements)\b/.test(source.slice(i, i + 80)) &&
      !/[|&:=,]\s*$/.test(source.slice(at, i))
    );
  });
  if (end === -1) return null;
  const head = source.slice(at, end).replace(/\s+/g, " ").trim().replace(modifiers, "");
  if (!/^[\w$]/.test(head) || /^(?:import|private|return|if|for|case|throw|await|new)\b/.test(head)) return null;
  return (
    head
      .replace(/^(?:const|let|var|function\*?) (\w+)(?: = (?:async )?(?=[(<]))?/, "$1")
      .replace(/([([{]) | (?=[)\]}])|,(?= *[)\]])/g, "$1") + members(source, end)
  );
}

const notMembers = new Set(["constructor", "if", "for", "while", "switch", "return", "await"]);

/** More names say little more. */
const mostMembers = 8;

/** The names of the members of an interface, class or enum whose body begins at `at`. */
function members(source: string, at: number): string {
  if (source[at] !== "{" || !/\b(?:interface|class|enum) \w+[^\n{}]*$/.test(source.slice(Math.max(0, at - 200), at))) return "";
  const body = source.slice(at, source.indexOf("\n}", at));
  const names = [
    ...body.matchAll(/^(?: {2}| {4}|\t)(?:(?:readonly|static|async|public|get|set|override|abstract) )*(\w+)[?!]?\s*[(<:=,]/gm),
  ];
  const distinct = [...new Set(names.map(([, name]) => name!))].filter((name) => !notMembers.has(name)).slice(0, mostMembers);
  return distinct.length === 0 ? "" : ` { ${distinct.join(", ")} }`;
}

/** Calls whose first two arguments are texts: an error and its remedy, an option and what it is for. */
const call = /\bnew (\w*(?:Error|Option))\(\s*(?=["'`])|\.(option|argument)\(\s*(?=["'])/g;

function* messages(source: string): Generator<Entry> {
  const lineAt = lineCounter(source);
  for (const { 0: whole, 1: type, index } of source.matchAll(call)) {
    const first = literal(source, index + whole.length);
    const second = first && literal(source, first.end);
    if (!first || !second) continue;
    const line = lineAt(index);
    if (type?.endsWith("Error")) yield { kind: "errors", description: plainText(first.text), content: plainText(second.text), line };
    else if (first.text.startsWith("-")) yield { kind: "options", description: plainText(second.text), content: first.text, line };
  }
}

/** The text that begins at `at`, after a comma and spaces; interpolated values become dots. */
function literal(source: string, at: number): { readonly text: string; readonly end: number } | null {
  const start = at + /^\s*,?\s*/.exec(source.slice(at, at + 80))![0].length;
  if (!/["'`]/.test(source[start] ?? "")) return null;
  const end = stringEnd(source, start);
  const values = interpolated(source.slice(start + 1, end));
  return { text: values.replace(/\\n/g, " ").replace(/\\(.)/g, "$1"), end: end + 1 };
}

/** A template's text with dots for its values. */
function interpolated(text: string): string {
  const at = text.indexOf("${");
  if (at === -1) return text;
  const end = headEnd(text, at + 2, (i) => text[i] === "}");
  return end === -1 ? `${text.slice(0, at)}…` : `${text.slice(0, at)}…${interpolated(text.slice(end + 1))}`;
}
