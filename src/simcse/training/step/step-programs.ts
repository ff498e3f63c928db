/** A training step as named programs, what each runs on, and what several devices exchange between them. */
import type { ProgramPart } from "../../../autograd/program.ts";
import type { StepInput } from "../../../autograd/step-input.ts";
import type { Tape } from "../../../autograd/tape.ts";
import type { Device } from "../../../gpu/device.ts";
import type { Value } from "../../../kernels/language/operation.ts";
import type { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import type { TokenizedExample } from "./step-recording.ts";

/** The position of a step in the run. */
export interface StepPlace {
  /** The update's number, from 1. */
  readonly update: number;
  readonly learningRate: number;
}

/** The part of a step that one of several devices has: device number `rank` of `of`. */
export interface Share {
  readonly rank: number;
  readonly of: number;
}

/** The share of the only device. */
export const wholeShare: Share = { rank: 0, of: 1 };

/** Which of `count` equal parts belong to a share: neighbours, as many as others have, or one more or less. */
export function dealt(count: number, { rank, of }: Share): number[] {
  const first = Math.floor((count * rank) / of);
  return Array.from({ length: Math.floor((count * (rank + 1)) / of) - first }, (_, i) => first + i);
}

/** A program that runs, or a part of it, with its input. */
export interface ProgramRun {
  readonly program: string;
  /** The whole program if absent. */
  readonly part?: ProgramPart;
  readonly input?: StepInput;
  /** Whether the gradients that devices add are complete after it, each as soon as nothing of the program writes it. */
  readonly completes?: boolean;
}

/** What the devices of a step exchange before any of them goes on; nothing happens if there is only one. */
export type Exchange =
  /** Each device has computed the rows from the first to before the second of these; afterwards each has all. */
  | { readonly gather: ArenaTensor; readonly rows: readonly [first: number, end: number] }
  /** Afterwards each device has the sums of all devices' `added` tensors. The parameters change only after this. */
  | "add";

/** Whether a program runs next; otherwise devices exchange something. */
export const isRun = (next: ProgramRun | Exchange): next is ProgramRun => typeof next === "object" && "program" in next;

/** The programs that together are a step. */
export interface StepPrograms {
  /** The recording function of each program, by name. */
  readonly records: Readonly<Record<string, (tape: Tape) => Record<string, Value>>>;
  /** Memory that they share; it must be allocated before they are compiled. */
  readonly tensors: readonly ArenaTensor[];
  /** The tensors that several devices gather, and those that they add. */
  readonly gathered: readonly ArenaTensor[];
  readonly added: readonly ArenaTensor[];
  /** The program whose last run completes what is added. */
  readonly completing: string;
  /**
   * What a device does for its share of a step, in this order. All devices have the same exchanges. An input is valid until the next item is
   * requested.
   */
  sequence(device: Device, examples: readonly TokenizedExample[], place: StepPlace, share: Share): Iterable<ProgramRun | Exchange>;
}
