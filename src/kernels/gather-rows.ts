/** Rows of a table in an order the host gives: minibatches of features that stay on the GPU. A row may be taken more than once. */
import { wgsl } from "../gpu/shader.ts";
import { pointKernel, vector, vectorWidth } from "./kernel.ts";
import { expectType, f32, type Operand, type Operation, type Value } from "./operation.ts";

const operation: Operation<null> = {
  name: "gatherRows",
  infer([table, rows]) {
    expectType("gatherRows", "table", table!, "f32", [null, null]);
    expectType("gatherRows", "rows", rows!, "u32", [null]);
    return [f32(rows!.shape[0]!, table!.shape[1]!)];
  },
  lower({ inputs: [table, rows], outputs: [y] }) {
    const width = y!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "gatherRows",
          over: y!,
          width: step,
          reads: { table: [table!, element], rows: [rows!, "u32"] },
          writes: { y: [y!, element] },
          main: wgsl`setY(index, table(rows[row] * ${width / step}u + column));`,
        }),
      ],
    };
  },
};

/** f32 [rows, width]: the rows of `table` f32 [table rows, width] whose numbers `rows` u32 [rows] lists. No gradient: the table is frozen. */
export function gatherRows(table: Operand, rows: Value): Value {
  return rows.tape.append(operation, [table, rows], null)[0]!;
}
