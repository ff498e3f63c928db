/** `SimCSE.load` in a browser: a model folder behind an address. */
import { openDevice } from "../gpu/browser.ts";
import type { Device } from "../gpu/device.ts";
import { openHttpFolder } from "../io/folder-http.ts";
import { type LoadOptions, SimCSE as PortableSimCSE } from "./simcse.ts";

export class SimCSE extends PortableSimCSE {
  /**
   * Loads the model folder at `url` onto `device`, or onto a device opened for it, which closing the model closes. Throws what `loadFrom` throws, and
   * `DeviceError` where the browser has no WebGPU.
   */
  static load(url: string | URL, options: LoadOptions & { readonly device?: Device } = {}): Promise<PortableSimCSE> {
    return PortableSimCSE.loadIn({ openDevice, openFolder: async () => openHttpFolder(url) }, options);
  }
}
