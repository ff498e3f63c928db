/** The script of a thread that tokenises in Node; `thread-node.ts` starts it. */
import { parentPort } from "node:worker_threads";
import { ThreadWork, type TokenizeRequest, type TokenizerRecipe } from "./thread.ts";

const work = new ThreadWork();
parentPort?.on("message", (message: TokenizerRecipe | TokenizeRequest) => {
  const { answer, transfer } = work.answer(message);
  parentPort!.postMessage(answer, transfer);
});
