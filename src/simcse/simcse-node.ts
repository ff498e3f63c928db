/** `SimCSE.load` in Node: a model folder on disk. */
import type { Device } from "../gpu/device.ts";
import { openDevice } from "../gpu/node.ts";
import { openFolder } from "../io/folder-node.ts";
import { type LoadOptions, SimCSE as PortableSimCSE } from "./simcse.ts";

export class SimCSE extends PortableSimCSE {
  /**
   * Loads the model folder at `path` onto `device`, or onto a device opened for it, which closing the model closes. Throws what `loadFrom` throws, and
   * `DeviceError` where there is no adapter.
   */
  static load(path: string, options: LoadOptions & { readonly device?: Device } = {}): Promise<PortableSimCSE> {
    return PortableSimCSE.loadIn({ openDevice, openFolder: () => openFolder(path) }, options);
  }
}
