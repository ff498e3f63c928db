/** What a column can be, in plain words, and which columns make sense together. */
import type { ColumnRole } from "simcse-webgpu/browser";

/** The roles as a visitor reads them. */
export const roleNames: readonly (readonly [role: ColumnRole, name: string])[] = [
  ["sent0", "Text (or question)"],
  ["sent1", "What belongs to it (or answer)"],
  ["hard_neg", "What does not, though it looks alike"],
  ["score", "How alike the two are: a number"],
  ["label", "Whether the two are alike: 1 or 0"],
];

/** Why the chosen roles make no examples; null if they do. */
export function roleProblem(roles: readonly (ColumnRole | null)[]): string | null {
  const has = (role: ColumnRole) => roles.includes(role);
  const twice = roleNames.find(([role]) => roles.filter((one) => one === role).length > 1);
  if (twice) return `Two columns are "${twice[1]}". Choose one of them.`;
  if (!has("sent0")) return `Choose which column is "${roleNames[0]![1]}".`;
  if (has("score") && has("label")) return "Choose a number or 1 and 0, not both.";
  const target = has("score") || has("label");
  if (target && !has("sent1")) return "A number needs two texts to be about: choose the second one.";
  if (target && has("hard_neg")) return "A hard negative and a number do not go together: leave one of them out.";
  if (has("hard_neg") && !has("sent1")) return "A hard negative needs a text that does belong: choose one.";
  return null;
}
