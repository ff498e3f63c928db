/** The queue that joins many callers: everyone gets their own results, whatever the others do. */
import { describe, expect, it } from "vitest";
import { BatchingQueue, QueueFullError } from "../../../tools/server/batching-queue.ts";

/** Work that completes on demand. */
function stepwise(limit: number, batch: number) {
  const batches: { readonly items: readonly number[]; readonly finish: () => void; readonly fail: (error: Error) => void }[] = [];
  const queue = new BatchingQueue<number, number>(
    (items) =>
      new Promise((resolve, reject) => batches.push({ items, finish: () => resolve(items.map((item) => item * 10)), fail: reject })),
    { limit, batch },
  );
  return { queue, batches, settle: () => new Promise((resolve) => setTimeout(resolve, 0)) };
}

describe("BatchingQueue", () => {
  it("starts a lone caller at once and joins those who come meanwhile", async () => {
    const { queue, batches, settle } = stepwise(100, 10);
    const all = [queue.submit([1]), queue.submit([2, 3]), queue.submit([4])];
    expect(batches.map(({ items }) => items)).toEqual([[1]]);
    batches[0]!.finish();
    await settle();
    expect(batches[1]!.items).toEqual([2, 3, 4]);
    batches[1]!.finish();
    expect(await Promise.all(all)).toEqual([[10], [20, 30], [40]]);
    expect(queue.waiting).toBe(0);
  });

  it("takes a large caller through several batches", async () => {
    const { queue, batches, settle } = stepwise(100, 4);
    const large = queue.submit([1, 2, 3, 4, 5, 6]);
    const small = queue.submit([7]);
    batches[0]!.finish();
    await settle();
    expect(batches[1]!.items).toEqual([5, 6, 7]);
    batches[1]!.finish();
    expect(await large).toEqual([10, 20, 30, 40, 50, 60]);
    expect(await small).toEqual([70]);
  });

  it("refuses what finds no room and says when to come again", async () => {
    const { queue, batches } = stepwise(3, 1);
    const first = queue.submit([1]);
    const second = queue.submit([2, 3]);
    await expect(queue.submit([4, 5])).rejects.toThrow(QueueFullError);
    const refused = await queue.submit([4, 5]).catch((error: QueueFullError) => error);
    expect((refused as QueueFullError).retryAfter).toBeGreaterThanOrEqual(1);
    const third = queue.submit([6]);
    for (let i = 0; i < 4; i++) {
      batches[i]!.finish();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    expect(await Promise.all([first, second, third])).toEqual([[10], [20, 30], [60]]);
  });

  it("fails those in a failing batch and serves the rest", async () => {
    const { queue, batches, settle } = stepwise(100, 2);
    const failing = queue.submit([1, 2, 3]);
    const served = queue.submit([4]);
    batches[0]!.fail(new Error("lost"));
    await expect(failing).rejects.toThrow("lost");
    await settle();
    expect(batches[1]!.items).toEqual([4]);
    batches[1]!.finish();
    expect(await served).toEqual([40]);
    expect(queue.waiting).toBe(0);
  });

  it("drops a caller who has gone", async () => {
    const { queue, batches, settle } = stepwise(100, 1);
    const first = queue.submit([1]);
    const controller = new AbortController();
    const gone = queue.submit([2], controller.signal);
    const last = queue.submit([3]);
    controller.abort();
    batches[0]!.finish();
    await expect(gone).rejects.toThrow("aborted");
    await settle();
    expect(batches[1]!.items).toEqual([3]);
    batches[1]!.finish();
    expect(await Promise.all([first, last])).toEqual([[10], [30]]);
  });
});
