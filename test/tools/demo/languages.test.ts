/** What the demo takes from source files, by language. */
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../tools/demo/entry.ts";
import { markdownEntries } from "../../../tools/demo/languages/markdown.ts";
import { pythonEntries } from "../../../tools/demo/languages/python.ts";
import { typescriptEntries } from "../../../tools/demo/languages/typescript.ts";

const rows = (entries: Iterable<Entry>) => [...entries].map(({ kind, description, content, line }) => [kind, line, description, content]);

describe("TypeScript", () => {
  it("what a file says about itself, declarations, methods, and code without a docstring", () => {
    const source = `/** Keeps a part back. It is chosen by a hash. */
import { hash } from "./hash.ts";

/** Two parts of \`examples\`, see {@link hash}.
 *  @throws DataError
 */
export interface HoldOut {
  /** Not an entry of its own. */
  readonly training: string[];
  readonly held: string[];
}

/**
 * Holds out about \`share\`
 * of the examples; equal ones stay together.
 */
export async function holdOut<T extends { a: string }>(
  examples: readonly T[],
  { share = 0.1 }: { share?: number } = {},
): Promise<HoldOut> {
  return { training: [], held: [] };
}

export const half = (x: number): number => x / 2;

/** Private to this file. */
function inner(): void {}

/** A store. */
export class Store extends Base {
  /** Puts a value; "a (b" is no bracket. */
  put(key: string, value = "a (b"): void {
    if (key) return;
  }
}

/** The most parts. */
export const mostParts: number = 3;

/** Names of parts. */
export type Part =
  | "training"
  | "held";
`;
    expect(rows(typescriptEntries(source, "src/hold-out.ts"))).toEqual([
      ["code", 1, "Keeps a part back", "src/hold-out.ts: HoldOut, holdOut, half, Store, mostParts, Part"],
      ["code", 4, "Two parts of examples, see hash", "interface HoldOut { training, held }"],
      [
        "code",
        13,
        "Holds out about share of the examples; equal ones stay together",
        "holdOut<T extends {a: string}>(examples: readonly T[], {share = 0.1}: {share?: number} = {}): Promise<HoldOut>",
      ],
      ["code", 24, null, "half(x: number): number"],
      ["code", 29, "A store", "class Store extends Base { put }"],
      ["code", 31, 'Puts a value; "a (b" is no bracket', 'Store.put(key: string, value = "a (b"): void'],
      ["code", 37, "The most parts", "mostParts: number"],
      ["code", 40, "Names of parts", 'type Part = | "training" | "held"'],
    ]);
  });

  it("errors with their remedies and options of command lines; values of templates become dots", () => {
    const source = `
throw new OptionError(
  \`A part of \${show({ share }, \`\${a}\`)} cannot be kept back.\`,
  "Give a number, such as 0.1.",
);
const option = new Option("--share <x>", "the part that is kept back").default(0.1);
throw new Error("only a message");
throw new TypeError("first", cause);
`;
    expect(rows(typescriptEntries(source, "a.ts"))).toEqual([
      ["errors", 2, "A part of … cannot be kept back.", "Give a number, such as 0.1."],
      ["options", 6, "the part that is kept back", "--share <x>"],
    ]);
  });

  it("a JavaScript file without exports is taken whole", () => {
    const source = "/** Adds numbers. */\nfunction add(a, b) {\n  return a + b;\n}\n";
    expect(rows(typescriptEntries(source, "add.js"))).toEqual([["code", 1, "Adds numbers", "add(a, b)"]]);
  });

  it("survives text that is no TypeScript", () => {
    for (const source of [
      "/**",
      "/** a */",
      "/** a */ export",
      "export function",
      "new XError(`${`",
      "/** a */\nexport const a = (((",
      "export class { `",
    ]) {
      expect(() => [...typescriptEntries(source, "a.ts")]).not.toThrow();
    }
  });
});

describe("Markdown", () => {
  it("headings with their paragraphs, and bold beginnings; no tables, lists or code", () => {
    const source = `# The [house](a.md)

A **house** of \`cards\`,
in two lines.

Not taken.

**Doors.** They open.

## Windows
\`\`\`sh
# not a heading
\`\`\`

## Numbers #

| a | b |
| - | - |

## Lists
- one
`;
    expect(rows(markdownEntries(source))).toEqual([
      ["sections", 3, "The house", "A house of cards, in two lines."],
      ["sections", 8, "Doors", "They open."],
    ]);
  });
});

describe("Python", () => {
  it("modules, functions, methods and classes; what is private needs a docstring", () => {
    const source = `#!/usr/bin/env python
"""Keeps a part back.

More about it."""
import os


def hold_out(
    examples: list[str], share: float = 0.1, *, seed={"a": 1}
) -> tuple[list, list]:
    """Hold out a \`share\` of the examples. Equal ones stay together."""


class Store(Base):
    '''A store.'''

    def put(self, key, value):
        """Put a value
        under a key.
        """

    def __len__(self):
        """The size."""

    def get(self, key):
        return self.values[key]


def _inner():
    pass


parser.add_argument("--share", type=float, help="the part that is kept back")
`;
    expect(rows(pythonEntries(source, "hold_out.py"))).toEqual([
      ["code", 1, "Keeps a part back", "hold_out.py: hold_out, Store, _inner"],
      [
        "code",
        8,
        "Hold out a share of the examples",
        'hold_out( examples: list[str], share: float = 0.1, *, seed={"a": 1} ) -> tuple[list, list]',
      ],
      ["code", 14, "A store", "class Store(Base)"],
      ["code", 17, "Put a value under a key", "Store.put(key, value)"],
      ["code", 25, null, "Store.get(key)"],
      ["options", 33, "the part that is kept back", "--share"],
    ]);
  });
});
