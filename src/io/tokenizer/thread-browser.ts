/** Starts threads that tokenise in a browser. */
import { ChannelThread, type ThreadStarter, type TokenizeAnswer } from "./thread.ts";

/** Web workers. A page whose bundler leaves out their script, or whose policy forbids them, tokenises without. */
export const browserThreads: ThreadStarter = {
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  start(recipe) {
    // Bundlers find the script by this expression.
    const worker = new Worker(new URL("./thread-main.js", import.meta.url), { type: "module", name: "simcse-tokenizer" });
    const thread = new ChannelThread(
      { post: (message) => worker.postMessage(message), hold: () => {}, end: () => worker.terminate() },
      recipe,
    );
    worker.onmessage = ({ data }: MessageEvent<TokenizeAnswer | string>) => thread.take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      thread.fail(new Error(event.message));
    };
    return thread;
  },
};
