/** `SimCSE` in Node: loads a model folder from disk or a model from the hub, and keeps an index in a file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { OptionError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { openDevice } from "../gpu/node.ts";
import type { Folder, NamedContent } from "../io/folder.ts";
import { openFolder, writeFileAtomically, writeFilesInto } from "../io/folder-node.ts";
import type { FolderPlace } from "../io/folders/writable-folder.ts";
import type { Pushed } from "../io/hub/push-node.ts";
import { type HubOptions, hubOptions, openModelFolder } from "../io/hub-node.ts";
import { nodeThreads } from "../io/tokenizer/thread-node.ts";
import { splitOptions } from "../options.ts";
import { show } from "../show.ts";
import { DiskCheckpoints } from "./checkpoint/checkpoint-folders-node.ts";
import type { CheckpointStore } from "./checkpoint/checkpoint-store.ts";
import { openDefaultModel } from "./checkpoint/default-model-node.ts";
import { type PushModelOptions, pushModel } from "./checkpoint/push-model-node.ts";
import { SimCSE as PortableSimCSE } from "./simcse.ts";
import type { LoadOptions } from "./simcse-options.ts";

/** A SimCSE model in Node, loaded from a folder or from the hub: embeddings, similarities, an index to search, and training. */
export class SimCSE extends PortableSimCSE {
  /**
   * Loads the model folder at `nameOrPath`, a path or a `file:` URL, or the model of that name on the hub, onto `device`, or onto a device opened for it, which
   * closing the model closes. Without a name, loads the small English model of the package `simcse-webgpu-model`. Throws like `loadFrom` and
   * `openModelFolder`, `PackageError` if that package is needed and not installed, and `DeviceError` if there is no adapter.
   */
  static load(nameOrPath?: string | URL, options: LoadOptions & HubOptions & { readonly device?: Device } = {}): Promise<SimCSE> {
    const [hub, loading] = splitOptions<HubOptions, LoadOptions & { readonly device?: Device }>(options, hubOptions);
    return PortableSimCSE.loadIn(
      { openDevice, openFolder: () => (nameOrPath === undefined ? openDefaultModel() : openModelFolder(nameOrPath, hub)) },
      loading,
      SimCSE.loadFrom,
    );
  }

  static override loadFrom(device: Device, folder: Folder, options: LoadOptions = {}): Promise<SimCSE> {
    return PortableSimCSE.loadAs({ create: (loaded) => new SimCSE(loaded), threads: nodeThreads() }, device, folder, options);
  }

  protected override async write(place: FolderPlace | string, files: Iterable<NamedContent>): Promise<void> {
    if (typeof place === "string") await writeFilesInto(place, files);
    else await super.write(place, files);
  }

  protected override checkpointsAt(place: FolderPlace | string, limit: number | undefined): CheckpointStore {
    return typeof place === "string" ? new DiskCheckpoints(place, limit) : super.checkpointsAt(place, limit);
  }

  /**
   * Sends the model, as `save` writes it, with a new card to the repository `name` (`organisation/name`) of the hub. Throws like `files` and
   * `pushFolder`.
   */
  async push(name: string, options: PushModelOptions = {}): Promise<Pushed> {
    const folder = await mkdtemp(join(tmpdir(), "simcse-push-"));
    try {
      await this.save(folder);
      const { url, commit, files } = await pushModel(name, folder, options);
      return { url, commit, files };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /**
   * Writes the index to a file, completely or not at all. Throws `OptionError` if there is no index, `FileError` when the file cannot be
   * written.
   */
  async saveIndex(path: string): Promise<void> {
    await this.index.whileUnchanged(() => writeFileAtomically(path, this.indexBytes()));
  }

  /** Reads an index that `saveIndex` wrote; it replaces the current one. Throws like `loadIndexFrom`, and `FileError`. */
  async loadIndex(path: string): Promise<void> {
    if (typeof path !== "string" || path === "")
      throw new OptionError(`The index to load must be a path, but is ${show(path)}.`, "Give the path of a file that saveIndex wrote.");
    await this.loadIndexFrom(await openFolder(dirname(resolve(path))), basename(path));
  }
}
