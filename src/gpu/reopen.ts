/** Going on after a device was lost: a driver reset, an unplugged GPU, a laptop that changed cards. */
import type { Device } from "./device.ts";

export interface ReopenOptions<T> {
  readonly open: () => Promise<Device>;
  /** The work, which must find its own way back to where it was. */
  readonly run: (device: Device, attempt: Attempt) => Promise<T>;
  /** Called with each loss before the next device is opened. */
  readonly onLoss?: (error: unknown) => void;
  /** Losses without progress after which the error is passed on; 3 if absent. A driver that keeps failing must not be asked forever. */
  readonly most?: number;
}

/** What work knows of the devices before its own. */
export interface Attempt {
  /** Devices lost before this one. */
  readonly losses: number;
  /** Says that the work got further than any attempt before: losses up to now no longer count towards the most. */
  readonly progressed: () => void;
}

/** Runs work on a device, and again on a new one when that is lost. Passes on every other error. */
export async function withReopenedDevice<T>({ open, run, onLoss, most = 3 }: ReopenOptions<T>): Promise<T> {
  let counted = 0;
  const progressed = () => {
    counted = 0;
  };
  for (let losses = 0; ; losses++, counted++) {
    await using device = await open();
    try {
      return await run(device, { losses, progressed });
    } catch (error) {
      if (!(await device.isLost()) || counted >= most) throw error;
      onLoss?.(error);
    }
  }
}
