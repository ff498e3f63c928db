/** Cells that several tables have. */
import type { GpuCalls } from "../peer.ts";

/** dispatches, submits, new buffers; empty if they cannot be counted. */
export function callCells(calls: GpuCalls | null): string[] {
  return calls === null ? ["", "", ""] : [calls.dispatches, calls.submits, calls.buffers].map(String);
}

export function megabytes(bytes: number | null): string {
  return bytes === null ? "" : (bytes / 1e6).toFixed(0);
}

/** A count with separated thousands. */
export function grouped(count: number): string {
  return count.toLocaleString("en");
}
