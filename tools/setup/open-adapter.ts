/** Opens the device of a command: the machine's own, or a software driver that is installed but not configured. */
import { DeviceError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { findAdapter } from "./setup-adapter.ts";

export interface AdapterOptions {
  /** Use the adapter whose name contains this. */
  readonly adapter?: string | undefined;
  /** The PCI address of one of several cards with this name. */
  readonly card?: string | undefined;
  /** Bind at most this many bytes of a tensor at once. */
  readonly largestBinding?: number | undefined;
}

/** Throws `DeviceError` with the commands that install a driver if there is none. */
export async function openAdapter(options: AdapterOptions = {}): Promise<Device> {
  try {
    return await openDevice(options);
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    const { environment } = await findAdapter({ install: false, log: () => {} });
    Object.assign(process.env, environment);
    return openDevice(options);
  }
}
