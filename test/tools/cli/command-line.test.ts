import { expect, it } from "vitest";
import { commandLine } from "../../../tools/cli/command-line.ts";

it("a command can be run again as it is shown", () => {
  expect(commandLine(["train", "--train_file", "my file.txt", "--run_name", "it's $HOME", "--columns", "sent0=a,sent1=b", ""])).toBe(
    "npx simcse train --train_file 'my file.txt' --run_name 'it'\\''s $HOME' --columns sent0=a,sent1=b ''",
  );
});
