/**
 * Adds to a tensor what other devices computed for the same one, in the order of the devices: x₀ + x₁ + x₂ + …. Each element is added on one
 * device, which passes the sum on, so all have the same bits.
 */
import { range, wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, paramU32, threadsPerWorkgroup, vector, vectorWidth } from "../language/kernel.ts";
import { elementCount, expectType, f32, type Operation, type Persistent, type Recorder } from "../language/operation.ts";

interface Attributes {
  /** The number of this device among all, from 0. */
  readonly rank: number;
}

const operation: Operation<Attributes> = {
  name: "addFromDevices",
  infer: ([others]) => [f32(others!.shape[1]!)],
  lower({ inputs: [others], outputs: [sum], attributes: { rank } }) {
    const count = elementCount(sum!.shape);
    const width = vectorWidth(count);
    const element = vector(width);
    const devices = elementCount(others!.shape) / count + 1;
    const term = (device: number) =>
      device === rank ? "sum(index)" : `others(index + ${device < rank ? device : device - 1}u * params.count)`;
    return {
      variant: `arena ×${width}`,
      kernels: [
        kernel({
          label: "addFromDevices",
          workgroupSize: [threadsPerWorkgroup],
          reads: { others: [others!, element] },
          writes: { sum: [sum!, element] },
          // No constant of the code, so that all ranges share a pipeline.
          params: { count: paramU32(count / width) },
          main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  if (index >= params.count) { return; }
  setSum(index, ${range(devices).map(term).join(" + ")});`,
          workgroups: () => fold(Math.ceil(count / width / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/**
 * Adds `others` f32 [devices − 1, count], what the other devices have in their order, to `sum` f32 [count], which device number `rank` of all
 * has. `sum` gets the result.
 */
export function addFromDevices(tape: Recorder, others: Persistent, sum: Persistent, rank: number): void {
  expectType("addFromDevices", "others", others, "f32", [null, sum.shape[0]!]);
  tape.update(operation, [others], [sum], { rank });
}
