/** Numbers of tables: decimal in a table of texts, as JSON and Python write them (`0x10` and `Infinity` are texts), and 64-bit integers. */

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The finite number that a cell holds, as a number or as its digits with or without spaces around them; null for anything else. */
export function numberIn(value: unknown): number | null {
  const number = typeof value === "string" && decimal.test(value.trim()) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** A 64-bit integer as a number, or as its digits if no number is exact for it: ids may be as large. */
export function exactly(integer: bigint): number | string {
  return Number.isSafeInteger(Number(integer)) ? Number(integer) : String(integer);
}
