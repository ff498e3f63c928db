/** Numbers that a table of texts writes: decimal, as JSON and Python write them. `0x10` and `Infinity` are texts. */

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The finite number that a cell holds, as a number or as its digits with or without spaces around them; null for anything else. */
export function numberIn(value: unknown): number | null {
  const number = typeof value === "string" && decimal.test(value.trim()) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}
