/** `SimCSE` in a browser: loads a model folder from an address, and keeps an index in a blob. */

import { FileError } from "../errors.ts";
import { openDevice } from "../gpu/browser.ts";
import type { Device } from "../gpu/device.ts";
import { type Folder, MemoryFolder } from "../io/folder.ts";
import { type HttpFolderOptions, httpFolderOptions, openHttpFolder } from "../io/folder-http.ts";
import { browserThreads } from "../io/tokenizer/thread-browser.ts";
import { splitOptions } from "../options.ts";
import { defaultModel } from "./checkpoint/default-model.ts";
import { SimCSE as PortableSimCSE } from "./simcse.ts";
import type { LoadOptions } from "./simcse-options.ts";

/** Where a page has the default model. */
const pageFolder = "model/";

/** Throws `FileError` when the page does not have it, and where there is no page, as in Deno. */
async function openPageModel(options: HttpFolderOptions): Promise<Folder> {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  if (base === undefined) {
    throw new FileError(
      "No model is named, and there is no page that could have one.",
      "Give `load` the address of a model, or import `SimCSE` from simcse-webgpu, which finds the default model and opens folders on disk.",
    );
  }
  const url = new URL(pageFolder, base);
  const folder = openHttpFolder(url, { files: defaultModel.files, ...options });
  if (await folder.has("config.json").catch(() => false)) return renamed(folder);
  throw new FileError(
    `No model is named, and ${url} has no config.json.`,
    `Give \`load\` the address of a model, or copy the folder ${defaultModel.name} of the package ${defaultModel.package} to ${pageFolder} beside the page.`,
  );
}

/** Files of which a model's folder has one at least: the first releases of sentence-transformers put the transformer into a folder of its own. */
const modelFiles = ["config.json", "modules.json", "adapter_config.json"];

/** Throws `FileError` for a name on the hub, as other libraries take it, unless it is also a folder beside the page. */
async function openModel(url: string | URL, options: HttpFolderOptions): Promise<Folder> {
  const folder = openHttpFolder(url, options);
  if (typeof url !== "string" || !/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(url)) return folder;
  for (const file of modelFiles) if (await folder.has(file)) return folder;
  throw new FileError(
    `${url}/config.json does not exist beside the page.`,
    `Give the address of a folder; if ${url} is a model's name on the hub, its address is https://huggingface.co/${url}.`,
  );
}

/** The default model's folder, under its name instead of its address. */
const renamed = (folder: Folder): Folder => ({
  name: defaultModel.name,
  has: (file) => folder.has(file),
  size: (file) => folder.size(file),
  read: (file, start, end) => folder.read(file, start, end),
});

/** A SimCSE model in a browser, loaded from an address: embeddings, similarities, an index to search, and training. */
export class SimCSE extends PortableSimCSE {
  /**
   * Loads the model folder at `url` onto `device`, or onto a device opened for it, which closing the model closes. Without an address, loads
   * the small English model of the package `simcse-webgpu-model` from the folder `model/` beside the page (in a worker, beside its script),
   * where the app copies it. Throws like `loadFrom`, and `DeviceError` if the browser has no WebGPU.
   */
  static load(url?: string | URL, options: LoadOptions & HttpFolderOptions & { readonly device?: Device } = {}): Promise<SimCSE> {
    const [http, loading] = splitOptions<HttpFolderOptions, LoadOptions & { readonly device?: Device }>(options, httpFolderOptions);
    return PortableSimCSE.loadIn(
      { openDevice, openFolder: () => (url === undefined ? openPageModel(http) : openModel(url, http)) },
      loading,
      SimCSE.loadFrom,
    );
  }

  static override loadFrom(device: Device, folder: Folder, options: LoadOptions = {}): Promise<SimCSE> {
    return PortableSimCSE.loadAs({ create: (loaded) => new SimCSE(loaded), threads: browserThreads }, device, folder, options);
  }

  /** The index as a file's content, to download or to keep. Throws `OptionError` if there is no index. */
  async saveIndex(): Promise<Blob> {
    const parts: BlobPart[] = [];
    await this.index.whileUnchanged(async () => {
      for await (const bytes of this.indexBytes()) parts.push(bytes.slice());
    });
    return new Blob(parts, { type: "application/octet-stream" });
  }

  /** Reads an index that `saveIndex` made; it replaces the current one. Throws like `loadIndexFrom`. */
  async loadIndex(saved: Blob): Promise<void> {
    await this.loadIndexFrom(new MemoryFolder("the index", [["file", new Uint8Array(await saved.arrayBuffer())]]), "file");
  }
}
