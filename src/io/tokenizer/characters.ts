/** Classes of characters as bits of one table over all code points, unpacked once from character-classes.ts. */
import { CHARACTER_CLASSES } from "./character-classes.ts";

type ClassName = keyof typeof CHARACTER_CLASSES;

const NAMES = Object.keys(CHARACTER_CLASSES) as ClassName[];
const CODE_POINTS = 0x110000;

/** The bit of each class. */
export const CLASS = Object.fromEntries(NAMES.map((name, bit) => [name, 1 << bit])) as Readonly<Record<ClassName, number>>;

let table: Uint16Array | undefined;

/** The classes of every code point. */
export function characterTable(): Uint16Array {
  table ??= unpacked();
  return table;
}

function unpacked(): Uint16Array {
  const classes = new Uint16Array(CODE_POINTS);
  for (const name of NAMES) {
    let next = 0;
    for (const run of CHARACTER_CLASSES[name].split(" ")) {
      const [gap, more = "0"] = run.split("+");
      const first = next + Number.parseInt(gap!, 36);
      next = first + Number.parseInt(more, 36) + 1;
      for (let code = first; code < next; code++) classes[code]! |= CLASS[name];
    }
  }
  return classes;
}
