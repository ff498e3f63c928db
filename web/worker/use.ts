/** Using the model: search, near-duplicates, vectors, and the model's files. */
import { modelFileHandlers } from "./model-files.ts";
import { nearDuplicateHandlers } from "./near-duplicates.ts";
import { indexHandlers } from "./sentence-index.ts";
import type { Session } from "./session.ts";
import { vectorHandlers } from "./vectors.ts";

export function useHandlers(session: Session) {
  return { ...indexHandlers(session), ...nearDuplicateHandlers(session), ...vectorHandlers(session), ...modelFileHandlers(session) };
}
