/** Tokenising in threads: the ids and errors of one thread, no thread for few texts, and no harm where threads fail. */
import { afterAll, describe, expect, it } from "vitest";
import type { ThreadStarter, TokenizeRequest, TokenizerRecipe } from "../../../src/io/tokenizer/thread.ts";
import { nodeThreads } from "../../../src/io/tokenizer/thread-node.ts";
import { TokenizerThreads } from "../../../src/io/tokenizer/threads.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const { tokenizer } = tinyConfig();
/** Enough for threads to start, in lengths that give pieces of different sizes. */
const texts = Array.from({ length: 3600 }, (_, i) => `${i} ${tinySentences[i % 6]!.repeat(10 + (i % 5))}`);
/** As one text, which is compared faster than many arrays. */
const plain = (all: readonly (readonly number[] | Uint32Array)[]) => all.map((ids) => ids.join(" ")).join("\n");
const expected = plain(texts.map((text) => tokenizer.encode(text, 40)));

/** Counts what its threads are asked for. */
function counting({ start }: ThreadStarter) {
  const counts = { started: 0, requests: 0, ended: 0 };
  const running: Promise<void>[] = [];
  const starter: ThreadStarter = {
    cores: 2,
    start(recipe) {
      counts.started++;
      const thread = start(recipe);
      running.push(thread.started);
      const encode = (request: TokenizeRequest) => {
        counts.requests++;
        return thread.encode(request);
      };
      const end = () => {
        counts.ended++;
        thread.end();
      };
      return { started: thread.started, encode, end };
    },
  };
  return { starter, counts, running };
}

/** A starter of threads that behave as given. */
const failing = (started: () => Promise<void>): ThreadStarter => ({
  cores: 2,
  start: () => ({ started: started(), encode: () => Promise.reject(new Error("dead")), end: () => {} }),
});

describe("in Node", () => {
  const { starter, counts, running } = counting(nodeThreads(new URL("./thread-main.mjs", import.meta.url)));
  const threads = new TokenizerThreads(tokenizer, starter);
  afterAll(() => threads.close());

  it("few texts start no thread", async () => {
    expect(plain(await threads.encode(texts.slice(0, 50), 40))).toBe(expected.split("\n", 50).join("\n"));
    expect(counts.started).toBe(0);
  });

  it("many texts have the ids of one thread, in their order, before and after threads run", async () => {
    expect(plain(await threads.encode(texts, 40))).toBe(expected);
    await Promise.all(running);
    const before = counts.requests;
    const [all, cut] = await Promise.all([threads.encode(texts, 40), threads.encode(texts, 5)]);
    expect(plain(all)).toBe(expected);
    expect(plain(cut)).toBe(plain(texts.map((text) => tokenizer.encode(text, 5))));
    expect(counts.requests - before).toBeGreaterThan(10);
    expect(counts.started).toBe(2);
  });

  it("texts that a thread cannot tokenise get the error of this thread", async () => {
    await expect(threads.encode(texts, 2)).rejects.toThrow("a text cannot be cut to 2 tokens");
    expect(plain(await threads.encode(texts, 40))).toBe(expected);
  });

  it("closing ends the threads, and later texts are tokenised here", async () => {
    const during = threads.encode(texts, 40);
    threads.close();
    expect(plain(await during)).toBe(expected);
    expect(counts.ended).toBe(2);
    const before = counts.requests;
    expect(plain(await threads.encode(texts, 40))).toBe(expected);
    expect(counts.requests).toBe(before);
  });
});

describe("without threads", () => {
  const refuse = (_: TokenizerRecipe): never => {
    throw new Error("forbidden by a policy");
  };
  it.each<[string, ThreadStarter | null]>([
    ["because there are none", null],
    ["because there is one core", { cores: 1, start: refuse }],
    ["because they are refused", { cores: 2, start: refuse }],
    ["because they do not start", failing(() => Promise.reject(new Error("no script")))],
    ["because they fail at work", failing(() => Promise.resolve())],
  ])("%s, the ids are the same", async (_, starter) => {
    const threads = new TokenizerThreads(tokenizer, starter);
    for (let call = 0; call < 2; call++) expect(plain(await threads.encode(texts, 40))).toBe(expected);
    threads.close();
  });
});

it("pauses before each piece, and ends when the pause throws", async () => {
  const threads = new TokenizerThreads(tokenizer, null);
  let pauses = 0;
  const pause = async () => {
    if (++pauses === 5) throw new Error("enough");
  };
  await expect(threads.encode(texts, 40, { pause })).rejects.toThrow("enough");
  expect(pauses).toBe(5);
});
