/** Code as words that a model of plain language knows: `holdOut(maxTokens)` as "hold Out(max Tokens)". */

/** Splits the names in a signature at capitals, underlines and slashes. Other texts hardly change. */
export function inWords(code: string): string {
  return code
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .replace(/[_/]+/g, " ");
}
