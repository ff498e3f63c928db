/**
 * The errors that this package throws on purpose.
 *
 * Each says what is wrong, naming the thing (file, tensor, option, limit) with what was expected and what was found. Its `remedy` says what
 * the reader can do about it. A program shows both and no stack; an error that is not a `SimcseError` is a bug here.
 */
import { printable } from "./show.ts";

/** Options of an error. */
export interface SimcseErrorOptions extends ErrorOptions {
  /** The option that was not given and would have decided. */
  readonly option?: string | undefined;
}

/** Message and remedy may contain text from files, so control characters that a terminal would act on are escaped. */
export class SimcseError extends Error {
  /** The class's name. Written out in each class, because minifiers rename classes. */
  override readonly name: string = "SimcseError";
  /** What to do about it, in one sentence. */
  readonly remedy: string;
  /** The option that decides what could not be found out, such as `pooler` or `header`; absent for every other error. */
  declare readonly option?: string;

  /** `options.cause` is the underlying error. */
  constructor(message: string, remedy: string, { option, ...options }: SimcseErrorOptions = {}) {
    super(printable(message), options);
    this.remedy = printable(remedy);
    if (option !== undefined) this.option = option;
  }

  /** An error of the same class in other words, with this one as its cause. */
  rephrased(message: string, remedy: string): SimcseError {
    const Class = this.constructor as new (message: string, remedy: string, options?: SimcseErrorOptions) => SimcseError;
    return new Class(message, remedy, { cause: this, option: this.option });
  }
}

/** A file does not match its format: it is truncated, inconsistent, or has the wrong dtype or shape. */
export class FormatError extends SimcseError {
  override readonly name = "FormatError";
}

/** A file or folder is missing, in the way, or cannot be read or written. */
export class FileError extends SimcseError {
  override readonly name = "FileError";
}

/** An option or argument has a value that cannot be used. */
export class OptionError extends SimcseError {
  override readonly name = "OptionError";
}

/** Text or labelled data cannot be trained on or evaluated. */
export class DataError extends SimcseError {
  override readonly name = "DataError";
}

/** Shapes of values do not match. */
export class ShapeError extends SimcseError {
  override readonly name = "ShapeError";
}

/** No usable adapter, a lost device, or a kernel the device refuses. */
export class DeviceError extends SimcseError {
  override readonly name = "DeviceError";
}

/** A device, program, model or index is used after it was closed. */
export class ClosedError extends SimcseError {
  override readonly name = "ClosedError";
}

/** A plan needs more memory or larger sizes than the device allows. */
export class CapacityError extends SimcseError {
  override readonly name = "CapacityError";
}

/** Training cannot continue: the loss is NaN or infinite. */
export class DivergenceError extends SimcseError {
  override readonly name = "DivergenceError";
}

/** An optional package is needed and not installed. */
export class PackageError extends SimcseError {
  override readonly name = "PackageError";
}

/** A model's results are not finite: its weights are damaged. */
export class NonFiniteError extends SimcseError {
  override readonly name = "NonFiniteError";
}
