/** What the panels of "Use it" share: which model they use, how far they are, and how a file reaches the visitor. */
import { computed } from "@preact/signals";
import type { CountProgress, Which } from "../worker/protocol.ts";
import { formatCount } from "./format.ts";
import { result, type Work } from "./store.ts";

/** The model that was trained here, or else the one that it starts from. */
export const which = computed<Which>(() => (result.value === null ? "before" : "now"));

/** Says how many texts are done. */
export const sayCount =
  (say: Work["say"], text: string) =>
  ({ done, total }: CountProgress) =>
    say(`${text}: ${formatCount(done)} of ${formatCount(total)}`, done / total);

/** Time after which the browser has certainly begun to save a file. */
const saveMilliseconds = 60_000;

/** Saves a file where the browser saves downloads. */
export function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), saveMilliseconds);
}
