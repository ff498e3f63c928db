#!/usr/bin/env node
/** The command line. Each command is a file beside this one: it parses, calls src, and prints. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { explainArgumentErrors } from "./cli/argument-errors.ts";
import { withConfigFile } from "./cli/config-file.ts";
import { refuseEmptyValues } from "./cli/empty-values.ts";
import { reportFailure, throwEnds, watchStandardStreams } from "./cli/failure.ts";
import { layOutHelp } from "./cli/help.ts";
import { acceptHyphens } from "./cli/hyphens.ts";
import { endAfterHangUp, outliveTerminal } from "./cli/interrupt.ts";
import { checkWorkingFolder } from "./cli/working-folder.ts";
import { clusterCommand } from "./cluster.ts";
import { convertCommand } from "./convert.ts";
import { dataCommand } from "./data.ts";
import { dedupeCommand } from "./dedupe.ts";
import { demoCommand } from "./demo/demo.ts";
import { distillCommand } from "./distill.ts";
import { doctorCommand } from "./doctor.ts";
import { encodeCommand } from "./encode.ts";
import { evaluateCommand } from "./evaluate.ts";
import { indexCommand } from "./index-command.ts";
import { pretrainCommand } from "./pretrain.ts";
import { pushCommand } from "./push.ts";
import { searchCommand } from "./search.ts";
import { serveCommand } from "./serve.ts";
import { setupCommand } from "./setup.ts";
import { similarityCommand } from "./similarity.ts";
import { tokenizerCommand } from "./tokenizer.ts";
import { trainCommand } from "./train.ts";

const { version } = createRequire(import.meta.url)("simcse-webgpu-cli/package.json") as { version: string };

const program = new Command("simcse")
  .description("Train, evaluate and serve SimCSE sentence embeddings on WebGPU.")
  .version(version)
  .option("--debug", "print the stack trace of an error")
  .showSuggestionAfterError();

const commands = [
  trainCommand,
  pretrainCommand,
  distillCommand,
  evaluateCommand,
  encodeCommand,
  similarityCommand,
  indexCommand,
  searchCommand,
  dedupeCommand,
  clusterCommand,
  serveCommand,
  convertCommand,
  pushCommand,
  dataCommand,
  tokenizerCommand,
  doctorCommand,
  demoCommand,
  setupCommand,
];
for (const command of commands) program.addCommand(command);
layOutHelp(program);
acceptHyphens(program);
explainArgumentErrors(program);
refuseEmptyValues(program);
throwEnds(program);

watchStandardStreams();
outliveTerminal();

try {
  checkWorkingFolder();
  await program.parseAsync(await withConfigFile(process.argv));
} catch (error) {
  // Not the parsed options: the options file itself may be invalid.
  reportFailure(error, { debug: process.argv.includes("--debug") });
  endAfterHangUp();
  if (!(error instanceof CommanderError)) process.exit();
}
endAfterHangUp();
