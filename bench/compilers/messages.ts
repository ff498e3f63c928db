/** What the process that compiles tells its parent. */

/** The adapter that the driver made up; the first message. */
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
  /** What the driver printed meanwhile, as far as it can be a figure. */
  readonly printed: string;
}

export type Message = { readonly device: CompiledDevice } | { readonly kernel: CompiledKernel };
