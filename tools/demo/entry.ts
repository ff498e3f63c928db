/** What the demo takes from a source file: something that can be found, and what the file itself says about it. */

/** Where an entry comes from; also its name in the demo's tables. */
export const entryKinds = ["code", "sections", "errors", "options"] as const;

/** Where an entry comes from. */
export type EntryKind = (typeof entryKinds)[number];

/** Something that can be found, and its description in words. */
export interface Entry {
  readonly kind: EntryKind;
  /** A docstring's first sentence, a heading, an error's message; null for code without a docstring, which can only be found. */
  readonly description: string | null;
  /** A signature, the paragraph below a heading, an error's remedy. */
  readonly content: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Finds the entries of one file. `path` is relative to the folder, with slashes. */
export type Extract = (source: string, path: string) => Iterable<Entry>;
