/** A profiled step computes the same as an ordinary one, and reports the work of each dispatch. */
import { expect, it } from "vitest";
import { compile } from "../../src/autograd/program.ts";
import { DeviceError } from "../../src/errors.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "../kernels/data.ts";

const device = await openTestDevice();
const [rows, width] = [57, 64];

const program = await compile(device, (tape) => ({
  y: tanh(matmul(tape.input("a", f32(tape.extent("rows", 100), width)), tape.input("b", f32(width, width)), "nt")),
}));
const step = { inputs: { a: normals(rows * width, 1), b: normals(width * width, 2) }, live: { rows } };

it.runIf(device.capabilities.features.has("timestamp-query"))(
  "gives the same bits, and every dispatch with its time and work",
  async () => {
    program.run(step);
    const expected = (await program.read("y")).slice(0, rows * width);
    program.run({ ...step, inputs: { ...step.inputs, a: new Float32Array(rows * width) } });
    const profiles = await program.profile(step);
    expect((await program.read("y")).subarray(0, rows * width)).toEqual(expected);

    expect(profiles.map(({ operation, node }) => [operation, node])).toEqual([
      ["matmul", 0],
      ["tanh", 1],
    ]);
    const [product, pointwise] = profiles;
    expect(product).toMatchObject({ begin: 0, flop: 2 * rows * width * width, bytes: 4 * (2 * rows * width + width * width), unit: "f32" });
    expect(pointwise).toMatchObject({ flop: 0, bytes: 2 * 4 * rows * width });
    for (const { begin, end } of profiles) expect(end).toBeGreaterThanOrEqual(begin);
  },
);

it.runIf(!device.capabilities.features.has("timestamp-query"))("says so where the device has no timestamps", async () => {
  await expect(program.profile(step)).rejects.toThrow(DeviceError);
});
