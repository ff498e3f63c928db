/** `SimCSE` in a browser: loads a model folder from an address, and keeps an index in a blob. */
import { openDevice } from "../gpu/browser.ts";
import type { Device } from "../gpu/device.ts";
import { type Folder, MemoryFolder } from "../io/folder.ts";
import { type HttpFolderOptions, httpFolderOptions, openHttpFolder } from "../io/folder-http.ts";
import { splitOptions } from "../options.ts";
import { SimCSE as PortableSimCSE } from "./simcse.ts";
import type { LoadOptions } from "./simcse-options.ts";

/** A SimCSE model in a browser, loaded from an address: embeddings, similarities, an index to search, and training. */
export class SimCSE extends PortableSimCSE {
  /**
   * Loads the model folder at `url` onto `device`, or onto a device opened for it, which closing the model closes. Throws like `loadFrom`,
   * and `DeviceError` if the browser has no WebGPU.
   */
  static load(url: string | URL, options: LoadOptions & HttpFolderOptions & { readonly device?: Device } = {}): Promise<SimCSE> {
    const [http, loading] = splitOptions<HttpFolderOptions, LoadOptions & { readonly device?: Device }>(options, httpFolderOptions);
    return PortableSimCSE.loadIn({ openDevice, openFolder: async () => openHttpFolder(url, http) }, loading, SimCSE.loadFrom);
  }

  static override loadFrom(device: Device, folder: Folder, options: LoadOptions = {}): Promise<SimCSE> {
    return PortableSimCSE.loadAs((loaded) => new SimCSE(loaded), device, folder, options);
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
