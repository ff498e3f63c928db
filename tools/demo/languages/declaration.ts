/** The head of a declaration, up to its body, in a language with brackets. */

/** How far a head is read: a longer one is no signature that a person reads. */
const longest = 600;

const pairsOf: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "<": ">" };
const quotes = new Set(['"', "'", "`"]);

/**
 * The end of the head that begins at `at`: the first place outside brackets where `ends` is true, or -1 if none is near. `ends` is given
 * the place.
 */
export function headEnd(source: string, at: number, ends: (at: number) => boolean): number {
  const open: string[] = [];
  for (let i = at; i < Math.min(source.length, at + longest); i++) {
    const character = source[i]!;
    if (quotes.has(character)) {
      i = stringEnd(source, i);
      continue;
    }
    if (open.length === 0 && ends(i)) return i;
    // An arrow and comparisons are no brackets.
    const isBracket = character !== "<" || /\w/.test(source[i - 1] ?? "");
    if (character in pairsOf && isBracket) open.push(pairsOf[character]!);
    else if (character === open.at(-1) && !(character === ">" && source[i - 1] === "=")) open.pop();
    else if (open.length === 0 && /[)\]}]/.test(character)) return i;
  }
  return -1;
}

/** The place of the quote that ends the string that begins at `at`, or the line's end. The values of a template may hold strings. */
export function stringEnd(source: string, at: number): number {
  const quote = source[at]!;
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === quote || (source[i] === "\n" && quote !== "`")) return i;
    else if (quote === "`" && source.startsWith("${", i)) {
      const end = headEnd(source, i + 2, (j) => source[j] === "}");
      if (end === -1) return source.length;
      i = end;
    }
  }
  return source.length;
}
