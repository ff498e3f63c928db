/** What people most often have in the place of a weights file, told by its first bytes. */

/** Files by how they begin, in Latin-1. */
const MISTAKEN: readonly (readonly [start: string, what: string, remedy: string])[] = [
  ["version ", "a Git LFS pointer and not the file itself", "Get the file with `git lfs pull`, or download it."],
  ["PK\u0003\u0004", "a zip archive, as torch.save writes them", "Name the file pytorch_model.bin, or save the model with safetensors."],
  ["<!DOCTYP", "a web page", "Get the file again: the address led to a page about it."],
  ["<!doctyp", "a web page", "Get the file again: the address led to a page about it."],
];

/** What a file is that begins with `first`, and what to do; undefined for what is not known. */
export function mistakenFor(first: Uint8Array): { readonly what: string; readonly remedy: string } | undefined {
  const start = new TextDecoder("latin1").decode(first);
  const found = MISTAKEN.find(([beginning]) => start.startsWith(beginning));
  return found && { what: found[1], remedy: found[2] };
}
