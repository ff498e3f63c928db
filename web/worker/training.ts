/** Training: the run, its checkpoints, and what the page is told as it goes on. */
import { OptionError } from "simcse-webgpu/browser";
import type { Handlers } from "./protocol.ts";
import type { Session } from "./session.ts";

const later = async (): Promise<never> => {
  throw new OptionError("Training is not built yet.", "Come back soon.");
};

export function trainingHandlers(_: Session): Handlers<"train" | "resume" | "finish" | "savedRun" | "discardRun" | "compare"> {
  return { train: later, resume: later, finish: later, savedRun: async () => null, discardRun: async () => null, compare: later };
}
