/** Going on after a device was lost: a driver reset, an unplugged GPU, a laptop that changed cards. */
import type { Device } from "./device.ts";

export interface ReopenOptions<T> {
  readonly open: () => Promise<Device>;
  /** The work, which must find its own way back to where it was: `losses` devices were lost before. */
  readonly run: (device: Device, losses: number) => Promise<T>;
  /** Told of each loss before the next device is opened. */
  readonly onLoss?: (error: unknown) => void;
  /** Losses after which the error is passed on; 3 if absent: a driver that keeps failing is not to be asked forever. */
  readonly most?: number;
}

/** Runs work on a device, and again on a new one when that is lost. Passes on every other error. */
export async function withReopenedDevice<T>({ open, run, onLoss, most = 3 }: ReopenOptions<T>): Promise<T> {
  for (let losses = 0; ; losses++) {
    await using device = await open();
    try {
      return await run(device, losses);
    } catch (error) {
      if (!(await device.isLost()) || losses >= most) throw error;
      onLoss?.(error);
    }
  }
}
