/** The devices that a call names besides the model's own. */
import { OptionError } from "../errors.ts";
import { Device } from "../gpu/device.ts";

/** Each of `devices` once, without `first`. Throws `OptionError` for anything but a list of devices. */
export function otherDevices(first: Device, devices: readonly Device[]): Device[] {
  if (!Array.isArray(devices) || !devices.every((device) => device instanceof Device)) {
    throw new OptionError("`devices` must be a list of devices.", "Give those that `openDevice` opened.");
  }
  return [...new Set(devices)].filter((device) => device !== first);
}
