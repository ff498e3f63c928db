/** Options without a value: mostly those of a shell variable that is not set (`--model "$MODEL"`). */
import type { Command } from "commander";
import { OptionError } from "../../src/errors.ts";

/** Options whose value may be empty: no prompt is another choice than that of the model. */
export const MAY_BE_EMPTY: ReadonlySet<string> = new Set(["prompt"]);

/** Has every command refuse an option whose value is an empty text. */
export function refuseEmptyValues(program: Command): void {
  program.hook("preAction", (_, command) => {
    for (const option of command.options) {
      const name = option.attributeName();
      const value: unknown = command.getOptionValue(name);
      const isEmpty = value === "" || (Array.isArray(value) && value.includes(""));
      if (!isEmpty || MAY_BE_EMPTY.has(name) || command.getOptionValueSource(name) !== "cli") continue;
      throw new OptionError(
        `${option.long ?? option.flags} is empty.`,
        "Give it a value, or leave it out; a shell variable may not be set.",
      );
    }
  });
}
