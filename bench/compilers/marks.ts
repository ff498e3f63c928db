/** What the process that compiles writes between the driver's own output. */

/** The starts of its lines; JSON follows. */
export const marks = { device: "@device ", begin: "@begin ", end: "@end " } as const;

/** The adapter that the driver made up. */
export interface CompiledDevice {
  readonly name: string;
  readonly lanes: number | null;
  readonly halves: boolean;
  readonly matrices: readonly string[];
}

/** A kernel that was compiled. */
export interface CompiledKernel {
  /** How the step's numbers are stored, or the search. */
  readonly program: string;
  readonly operation: string;
  readonly variant: string;
  /** Whether the device runs this variant without measuring. */
  readonly chosen: boolean;
  /** The driver's error; null where it compiled. */
  readonly failure: string | null;
}
