/** Progress without a terminal: an occasional line instead of a bar. */
import { afterEach, expect, it, vi } from "vitest";
import { startComparison, startCounter, startProgress } from "../../../tools/cli/progress.ts";

afterEach(() => void vi.restoreAllMocks());

/** What is printed on standard error, and a clock that is set by hand. */
function watched() {
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const clock = vi.spyOn(performance, "now").mockReturnValue(0);
  Object.defineProperty(process.stderr, "isTTY", { value: false, configurable: true, writable: true });
  return { said: () => written.mock.calls.map(([text]) => text), at: (seconds: number) => void clock.mockReturnValue(seconds * 1000) };
}

it("says a line every half a minute, with the time that is left", () => {
  const { said, at } = watched();
  const progress = startProgress(4000, "training");
  for (let second = 1; second <= 100; second++) {
    at(second);
    progress.update(second * 10, second > 50 ? "loss \u001b[2J0.5" : "");
  }
  expect(said()).toEqual([
    "training 300 of 4,000, about 7 min left\n",
    "training 600 of 4,000, loss \\u001b[2J0.5, about 6 min left\n",
    "training 900 of 4,000, loss \\u001b[2J0.5, about 6 min left\n",
  ]);
});

it("counts where the end is not known, and is quiet where results are shown", () => {
  const { said, at } = watched();
  const [counter, quiet] = [startCounter("sentences"), startCounter("sentences", { shown: true })];
  for (const second of [1, 40, 50]) {
    at(second);
    counter.update(second * 100);
    quiet.update(second);
  }
  expect(said()).toEqual(["4,000 sentences · 100/s\n"]);
});

it("tells how far a comparison is, unless all is compared at once", () => {
  const { said, at } = watched();
  const [long, short] = [startComparison(), startComparison()];
  short.onProgress(1);
  for (const second of [0, 40, 80]) {
    at(second);
    long.onProgress((second + 10) / 100);
  }
  short.stop();
  long.stop();
  expect(said()).toEqual(["percent compared: 50 of 100, about 1 min left\n", "percent compared: 90 of 100, about 1 min left\n"]);
});
