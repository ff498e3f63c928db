/** Opens the device that a command runs on: the machine's own, or a software driver that is there but not set up. */
import { DeviceError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { findAdapter } from "./setup-adapter.ts";

export interface AdapterOptions {
  /** Choose the adapter whose name contains this. */
  readonly adapter?: string;
}

/** Throws `DeviceError` with the commands to install a driver where there is none. */
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
