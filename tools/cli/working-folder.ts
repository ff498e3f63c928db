/** The folder that a command runs in. Paths of options are relative to it, and so are the packages that are looked for. */
import { FileError } from "../../src/errors.ts";

/** Throws FileError if the folder was removed, or its disk is gone: whatever asks for it later would end without naming it. */
export function checkWorkingFolder(): void {
  try {
    process.cwd();
  } catch (cause) {
    throw new FileError("the folder that the command runs in does not exist any more", "Change to another folder, and run it again.", {
      cause,
    });
  }
}
