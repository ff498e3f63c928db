/** Using the model: search, near-duplicates, vectors, and the model's files. */
import { OptionError } from "simcse-webgpu/browser";
import type { Handlers } from "./protocol.ts";
import type { Session } from "./session.ts";

const later = async (): Promise<never> => {
  throw new OptionError("This is not built yet.", "Come back soon.");
};

export function useHandlers(_: Session): Handlers<"buildIndex" | "search" | "nearDuplicates" | "vectors" | "modelFiles" | "saveModel"> {
  return { buildIndex: later, search: later, nearDuplicates: later, vectors: later, modelFiles: later, saveModel: later };
}
