/**
 * Decides which regular expressions of a `tokenizer.json` may run. The official library's engine backtracks, and some expressions take
 * quadratic time or worse; a hostile file could hang the program that opens it.
 */

/** Expressions of published tokenizers (GPT-2, GPT-4 and Llama 3, Qwen 2), all linear. */
const KNOWN: readonly string[] = [
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
];

/** The most ways in which the optional and counted parts of an alternative may be tried. */
const MAX_WAYS = 64;

/** The beginning or end of a group, a bar, or one character to match: an escape, a class, or the character itself. */
const ITEM =
  /(?<group>\((?:\?(?::|[imx]+:|(?<look>[=!]|<[=!])))?)|(?<close>\))|(?<bar>\|)|(?:\\[pP]\{[^}]*\}|\\[^1-9gkGK]|\[(?:\[:\^?\w+:\]|\\.|[^[\]\\])+\]|[^()[\]{}*+?|\\])/uy;
const QUANTIFIER = /(?:[*+?]|\{(?<least>\d*)(?<comma>,)?(?<most>\d*)\})[?+]?/uy;

/** A group, or the whole expression, as far as it has been read. */
interface Group {
  readonly looks: boolean;
  /** Ways to match the current alternative, and all of them. */
  now: number;
  ways: number;
  /** Whether the current alternative, and any of them, ends with an unbounded repetition. */
  ends: boolean;
  endless: boolean;
}

const emptyGroup = (looks: boolean): Group => ({ looks, now: 1, ways: 0, ends: false, endless: false });

/**
 * Whether an expression is one of the known ones, or has unbounded repetitions only at the end of alternatives. Nothing after such a
 * repetition can fail and make the engine try again.
 */
export function isLinear(expression: string): boolean {
  if (KNOWN.includes(expression)) return true;
  const outer: Group[] = [];
  let group = emptyGroup(false);
  for (let at = 0; at < expression.length; ) {
    ITEM.lastIndex = at;
    const item = ITEM.exec(expression);
    if (item === null) return false;
    at = ITEM.lastIndex;
    const { group: opens, look, close, bar } = item.groups!;
    if (bar !== undefined) {
      finishAlternative(group);
      continue;
    }
    if (group.ends && close === undefined) return false;
    if (opens !== undefined) {
      outer.push(group);
      group = emptyGroup(look !== undefined);
      continue;
    }
    QUANTIFIER.lastIndex = at;
    const quantifier = QUANTIFIER.exec(expression);
    if (quantifier !== null) at = QUANTIFIER.lastIndex;
    if (close !== undefined) {
      const inner = group;
      const around = outer.pop();
      if (around === undefined) return false;
      finishAlternative(inner);
      if (inner.endless && (inner.looks || quantifier !== null)) return false;
      if (inner.ways > MAX_WAYS || (inner.ways > 1 && quantifier !== null && waysOf(quantifier) !== Number.POSITIVE_INFINITY)) return false;
      around.now *= inner.ways;
      around.ends = inner.endless;
      group = around;
    }
    const ways = quantifier === null ? 1 : waysOf(quantifier);
    if (ways === Number.POSITIVE_INFINITY) group.ends = true;
    else group.now *= ways;
    if (group.now > MAX_WAYS) return false;
  }
  finishAlternative(group);
  return outer.length === 0 && group.ways <= MAX_WAYS;
}

function finishAlternative(group: Group): void {
  group.ways += group.now;
  group.endless ||= group.ends;
  group.now = 1;
  group.ends = false;
}

/** In how many ways a quantified part may be tried; infinite if it is not bounded. */
function waysOf(quantifier: RegExpExecArray): number {
  const { least, comma, most } = quantifier.groups!;
  if (quantifier[0].startsWith("?")) return 2;
  if (!quantifier[0].startsWith("{")) return Number.POSITIVE_INFINITY;
  if (comma === undefined) return Number(least) <= MAX_WAYS ? 1 : Number.POSITIVE_INFINITY;
  return most === "" ? Number.POSITIVE_INFINITY : Number(most) - Number(least) + 1;
}
