/** The worker: the engine, behind the calls of the protocol. */
import { dataHandlers } from "./data.ts";
import { modelHandlers } from "./model.ts";
import { planHandlers } from "./plan.ts";
import { serve } from "./serve.ts";
import { Session } from "./session.ts";
import { trainingHandlers } from "./training.ts";
import { useHandlers } from "./use.ts";

const session = new Session();
serve({
  ...modelHandlers(session),
  ...dataHandlers(session),
  ...planHandlers(session),
  ...trainingHandlers(session),
  ...useHandlers(session),
});
