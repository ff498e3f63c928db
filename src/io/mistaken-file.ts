/** Recognises by their first bytes the files that people most often have instead of a model's file. */
import { decodeLatin1 } from "./text/latin1.ts";

/** Kinds of files by their first bytes, in Latin-1. */
const MISTAKEN: readonly (readonly [start: string, what: string, remedy: string])[] = [
  ["version https://git-lfs", "a Git LFS pointer and not the file itself", "Get the file with `git lfs pull`, or download it."],
  [
    "PK\u0003\u0004",
    "a zip archive, as torch.save and Excel write them",
    "Name the file pytorch_model.bin, or save the model with safetensors.",
  ],
  ["(\u00b5/\u00fd", "packed with zstd", "Unpack it, or pack it with gzip."],
  ["\u00fd7zXZ\u0000", "packed with xz", "Unpack it, or pack it with gzip."],
  ["BZh91AY&SY", "packed with bzip2", "Unpack it, or pack it with gzip."],
  ["7z\u00bc\u00af'\u001c", "a 7-Zip archive", "Unpack it."],
  ["\u00d0\u00cf\u0011\u00e0\u00a1\u00b1", "a file of Word or Excel, before 2007", "Save it as a text or as .csv."],
  ["%PDF-", "a PDF", "Save its text."],
  ["SQLite format 3", "a database of SQLite", "Export its table as .csv."],
  ["ARROW1", "a table in Arrow", "Save it as .parquet."],
  ["IxFI", "an index of faiss", "Export the vectors as .npy or .parquet."],
  ["\u0093NUMPY", "a matrix of NumPy", "Name the file with the ending .npy."],
  ["PAR1", "a table in Parquet", "Name the file with the ending .parquet."],
  ["<!DOCTYPE", "a web page", "Get the file again: the address led to a page about it."],
  ["<!doctype", "a web page", "Get the file again: the address led to a page about it."],
  ["<html", "a web page", "Get the file again: the address led to a page about it."],
];

/** How many bytes of a file `mistakenFor` needs. */
export const telltaleBytes = 24;
/** With fewer bytes, a file could be anything. */
const leastBytes = 8;

/** The kind of a file that begins with `first`, 8 bytes or more, and what to do; undefined if it is not known. */
export function mistakenFor(first: Uint8Array): { readonly what: string; readonly remedy: string } | undefined {
  if (first.length < leastBytes) return undefined;
  const start = decodeLatin1(first.subarray(0, telltaleBytes));
  const found = MISTAKEN.find(([beginning]) => start.startsWith(beginning) || beginning.startsWith(start));
  return found && { what: found[1], remedy: found[2] };
}
