/** Cells that several tables have. */
import type { GpuCalls } from "../peer.ts";

/** dispatches, submits, new buffers; empty where they are not seen. */
export function callCells(calls: GpuCalls | null): string[] {
  return calls === null ? ["", "", ""] : [calls.dispatches, calls.submits, calls.buffers].map(String);
}

export function megabytes(bytes: number | null): string {
  return bytes === null ? "" : (bytes / 1e6).toFixed(0);
}

/** A count with its thousands apart. */
export function grouped(count: number): string {
  return count.toLocaleString("en");
}
