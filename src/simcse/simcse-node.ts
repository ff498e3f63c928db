/** `SimCSE.load` in Node: a model folder on disk, or a model of the hub. */
import type { Device } from "../gpu/device.ts";
import { openDevice } from "../gpu/node.ts";
import { type HubOptions, openModelFolder } from "../io/hub-node.ts";
import { type LoadOptions, SimCSE as PortableSimCSE } from "./simcse.ts";

export class SimCSE extends PortableSimCSE {
  /**
   * Loads the model folder at `nameOrPath`, or the model of that name on the hub, onto `device`, or onto a device opened for it, which closing the
   * model closes. Throws what `loadFrom` and `openModelFolder` throw, and `DeviceError` where there is no adapter.
   */
  static load(nameOrPath: string, options: LoadOptions & HubOptions & { readonly device?: Device } = {}): Promise<PortableSimCSE> {
    return PortableSimCSE.loadIn({ openDevice, openFolder: () => openModelFolder(nameOrPath, options) }, options);
  }
}
