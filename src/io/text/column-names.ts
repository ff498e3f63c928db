/** What columns of a table hold, by the names that people give them. */

/** What a column is for: the texts of an example in the original's names, how alike two texts are, or the class of a text or of a pair. */
export const columnRoles = ["sent0", "sent1", "hard_neg", "score", "label"] as const;

/** What a column of a training or evaluation file is for. */
export type ColumnRole = (typeof columnRoles)[number];

/** Names as they are compared: in lower case, with letters and digits only. */
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

/** What a column of this name holds, or null where the name does not say it. */
export function roleOf(name: string): ColumnRole | null {
  return roleOfName.get(plain(name)) ?? null;
}

const idNames = new Set(["id", "idx", "index", "key", "guid", "uid", "pairid", "split"]);

/** Whether a cell is a name that columns have: of a role, or of an id. */
export function isColumnName(cell: string): boolean {
  return roleOf(cell) !== null || idNames.has(plain(cell));
}
