/** Continues work after a device was lost: a driver reset, an unplugged GPU, a laptop that switched GPUs. */
import type { Device } from "./device.ts";

export interface ReopenOptions<T> {
  readonly open: () => Promise<Device>;
  /** The work. It must resume by itself from where it was. */
  readonly run: (device: Device, attempt: Attempt) => Promise<T>;
  /** Called after each loss, before the next device is opened. */
  readonly onLoss?: (error: unknown) => void;
  /** Losses without progress after which the error is passed on; 3 if absent. So a driver that keeps failing ends the work. */
  readonly most?: number;
}

/** What the work can know about earlier devices. */
export interface Attempt {
  /** Devices lost so far. */
  readonly losses: number;
  /** Reports that the work got further than any attempt before. Earlier losses then no longer count towards the limit. */
  readonly progressed: () => void;
}

/** Runs work on a device, and again on a new device when that one is lost. Passes on every other error. */
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
