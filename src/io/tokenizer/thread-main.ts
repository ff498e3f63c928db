/** The script of a web worker that tokenises; `thread-browser.ts` starts it. */
import { ThreadWork, type TokenizeRequest, type TokenizerRecipe } from "./thread.ts";

const work = new ThreadWork();
globalThis.onmessage = ({ data }: MessageEvent<TokenizerRecipe | TokenizeRequest>) => {
  const { answer, transfer } = work.answer(data);
  globalThis.postMessage(answer, { transfer });
};
