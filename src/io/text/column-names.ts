/** What columns of a table hold, by their common names. */

/** A column's role: a text of an example by the original's names, the similarity of two texts, or the class of a text or a pair. */
export const columnRoles = ["sent0", "sent1", "hard_neg", "score", "label"] as const;

/** The roles of texts, in the order in which the original has them. */
export const textRoles = ["sent0", "sent1", "hard_neg"] as const satisfies readonly ColumnRole[];

/** A column's role in a training or evaluation file. */
export type ColumnRole = (typeof columnRoles)[number];

/** Names as they are compared: lower case, letters and digits only. */
const names: Readonly<Record<ColumnRole, readonly string[]>> = {
  sent0: [
    ...["sent0", "sentence", "sentence0", "sentence1", "sentencea", "text", "text1", "texta", "anchor", "query"],
    ...["question", "question1", "premise", "s1"],
  ],
  sent1: [
    ...["sent1", "sentence2", "sentenceb", "text2", "textb", "positive", "pos", "answer", "passage", "question2"],
    ...["hypothesis", "paraphrase", "response", "s2"],
  ],
  hard_neg: ["hardneg", "hardnegative", "negative", "neg", "contradiction"],
  score: ["score", "similarity", "similarityscore", "relatedness", "relatednessscore", "sim", "rating"],
  label: ["label", "labels", "goldlabel", "class", "isduplicate", "isparaphrase"],
};

const roleOfName = new Map(columnRoles.flatMap((role) => names[role].map((name) => [name, role] as const)));

const plain = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

/** The role of a column with this name, or null if the name does not say it. Hard negatives may be numbered: negative_1, negative_2. */
export function roleOf(name: string): ColumnRole | null {
  const said = plain(name);
  const numbered = roleOfName.get(said.replace(/\d+$/, ""));
  return roleOfName.get(said) ?? (numbered === "hard_neg" ? numbered : null);
}

const idNames = new Set(["id", "idx", "index", "key", "guid", "uid", "pairid", "split"]);

/** Whether a cell is a common column name: of a role, or of an id. */
export function isColumnName(cell: string): boolean {
  return roleOf(cell) !== null || idNames.has(plain(cell));
}
