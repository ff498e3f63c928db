/** Starts threads that tokenise in Node. */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { ChannelThread, type ThreadStarter, type TokenizeAnswer } from "./thread.ts";

/** What a thread runs: beside this file, and compiled like it. */
const compiledScript = new URL(`./thread-main-node${extname(import.meta.url)}`, import.meta.url);

/** Threads of Node. */
export function nodeThreads(script: URL = compiledScript): ThreadStarter {
  return {
    cores: availableParallelism(),
    start(recipe) {
      const worker = new Worker(script, { name: "simcse tokenizer" });
      const thread = new ChannelThread(
        {
          post: (message) => worker.postMessage(message),
          hold: (isBusy) => (isBusy ? worker.ref() : worker.unref()),
          end: () => void worker.terminate(),
        },
        recipe,
      );
      worker.on("message", (message: TokenizeAnswer | string) => thread.take(message));
      worker.on("error", (error: Error) => thread.fail(error));
      worker.on("exit", () => thread.fail(new Error("the thread ended")));
      return thread;
    },
  };
}
