/** Waiting in Firefox: empty submits until the work is done, and none afterwards. */
import { expect, it } from "vitest";
import { askingMeanwhile } from "../../src/gpu/firefox-polling.ts";

/** A queue that finishes work when something has been submitted so many times. */
function queueThatNeeds(asks: number) {
  let submits = 0;
  let finish: (result: string) => void;
  const work = new Promise<string>((resolve) => (finish = resolve));
  const queue = {
    submit(commands: readonly unknown[]) {
      expect(commands).toEqual([]);
      if (++submits === asks) finish("done");
    },
  } as unknown as GPUQueue;
  return { device: { queue } as GPUDevice, work, submits: () => submits };
}

it("asks until the work is done, and then no more", async () => {
  const { device, work, submits } = queueThatNeeds(4);
  const wait = askingMeanwhile(device);
  expect(await Promise.all([wait(work), wait(work)])).toEqual(["done", "done"]);
  expect(submits()).toBe(4);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(submits()).toBe(4);
});

it("asks again for later work, and passes on an error", async () => {
  const { device, work, submits } = queueThatNeeds(2);
  const wait = askingMeanwhile(device);
  await expect(wait(Promise.reject(new Error("lost")))).rejects.toThrow("lost");
  const before = submits();
  expect(await wait(work)).toBe("done");
  expect(submits()).toBeGreaterThan(before);
});
