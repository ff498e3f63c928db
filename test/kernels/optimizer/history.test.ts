import { describe, expect, it } from "vitest";
import { f32 } from "../../../src/kernels/language/operation.ts";
import { recordHistory } from "../../../src/kernels/optimizer/history.ts";
import { openTestDevice } from "../../device.ts";
import { build, tensor } from "../run.ts";

const device = await openTestDevice();

describe("recordHistory", () => {
  it("keeps the numbers of the last steps, each in the row of its step number", async () => {
    const ring = tensor(device, [3, 2], new Float32Array(6).fill(-1), "ring");
    const program = await build(device, (tape) => {
      recordHistory([tape.input("loss", f32(1)), tape.input("norm", f32(1))], ring);
      return {};
    });
    const read = async () => [...new Float32Array(await device.read(ring.window))];
    const record = (step: number) => program.run({ inputs: { loss: Float32Array.of(step), norm: Float32Array.of(step + 0.5) }, step });
    record(0);
    record(1);
    expect(await read()).toEqual([0, 0.5, 1, 1.5, -1, -1]);
    for (const step of [2, 3, 4, 5, 6]) record(step);
    expect(await read()).toEqual([6, 6.5, 4, 4.5, 5, 5.5]);
    program.close();
  });
});
