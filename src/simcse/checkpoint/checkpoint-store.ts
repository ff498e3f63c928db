/** Where a run keeps its checkpoints: folders named `checkpoint-<step>` in a folder on disk, in memory or in a browser's storage. */
import type { Folder, NamedContent } from "../../io/folder.ts";

export interface CheckpointStore {
  /** What messages call it. */
  readonly name: string;
  /** Writes the checkpoint of a step, whole or not at all as far as the medium allows: the file that completes it comes last. */
  write(step: number, files: Iterable<NamedContent>): Promise<void>;
  /** The last complete checkpoint; null where there is none. */
  last(): Promise<Folder | null>;
}
