/** Where a run keeps its checkpoints: folders named `checkpoint-<step>` in a folder on disk (checkpoint-folders-node.ts), in memory or in a browser's storage. */
import { type Folder, type NamedContent, subfolder } from "../../io/folder.ts";
import { type FolderPlace, type WritableFolder, writableFolder } from "../../io/folders/writable-folder.ts";

/** Where a run writes its checkpoints, and finds the last one. */
export interface CheckpointStore {
  /** The place's name in messages. */
  readonly name: string;
  /** Writes the checkpoint of a step. The file that completes it is written last, so a half-written checkpoint is not taken for one. */
  write(step: number, files: Iterable<NamedContent>): Promise<void>;
  /** The last complete checkpoint; null if there is none. */
  last(): Promise<Folder | null>;
}

/** Written last: a checkpoint that contains it is complete. */
export const stateFile = "trainer_state.json";

/** The name of a step's checkpoint. */
export const checkpointFolder = (step: number): string => `checkpoint-${step}`;

/** The step of a checkpoint's name; undefined for any other name. */
export function stepOfFolder(name: string): number | undefined {
  const step = /^checkpoint-(\d+)$/.exec(name)?.[1];
  return step === undefined ? undefined : Number(step);
}

/** The steps whose checkpoints are complete, ascending; `names` are those of the place's folders. */
export async function completeSteps(names: readonly string[], isComplete: (folder: string) => Promise<boolean>): Promise<number[]> {
  const steps = names.map(stepOfFolder).filter((step) => step !== undefined);
  const complete: number[] = [];
  for (const step of steps.sort((a, b) => a - b)) if (await isComplete(checkpointFolder(step))) complete.push(step);
  return complete;
}

/** Checkpoints in memory or behind a browser's handle; the oldest beyond `limit` are removed. */
export class PlacedCheckpoints implements CheckpointStore {
  readonly #folder: WritableFolder;

  constructor(
    place: FolderPlace,
    readonly limit = Number.POSITIVE_INFINITY,
  ) {
    this.#folder = writableFolder(place);
  }

  get name(): string {
    return this.#folder.name;
  }

  async write(step: number, files: Iterable<NamedContent>): Promise<void> {
    const own = checkpointFolder(step);
    if ((await this.#folder.list()).includes(own)) await this.#folder.remove(own);
    for (const { name, content } of files) await this.#folder.write(`${own}/${name}`, content);
    const complete = await this.#complete();
    for (const old of complete.slice(0, Math.max(0, complete.length - this.limit))) await this.#folder.remove(checkpointFolder(old));
  }

  async last(): Promise<Folder | null> {
    const step = (await this.#complete()).at(-1);
    return step === undefined ? null : subfolder(this.#folder, checkpointFolder(step));
  }

  /** The steps of the complete checkpoints, ascending. */
  async #complete(): Promise<number[]> {
    return completeSteps(await this.#folder.list(), (folder) => this.#folder.has(`${folder}/${stateFile}`));
  }
}
