/**
 * Rows of a table in an order the host gives: minibatches of features that stay on the GPU, the masked tokens of a batch. A row may be taken more than once
 * where no gradient is asked for; a gradient needs to know, for each row of the table, which gathered row it became.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { expectType, f32, type Operand, type Operation, type Type, type Value } from "./language/operation.ts";

const operation: Operation<null> = {
  name: "gatherRows",
  infer([table, rows]) {
    expectType("gatherRows", "table", table!, "float", [null, null]);
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
  gradient({ inputs: [table, , gathered] }, [dy]) {
    if (!dy) return [null, null];
    if (!gathered) {
      throw new ShapeError("gatherRows: its gradient needs to know where each row went.", "Give the places with the rows.");
    }
    const { dtype, shape } = table!;
    return [dy.tape.append(gradientOperation, [dy, gathered], { type: { dtype, shape } })[0]!, null, null];
  },
};

const gradientOperation: Operation<{ type: Type }> = {
  name: "gatherRowsGradient",
  infer([, gathered], { type }) {
    expectType("gatherRowsGradient", "gathered", gathered!, "u32", [type.shape[0]!]);
    return [type];
  },
  lower({ inputs: [dy, gathered], outputs: [dx] }) {
    const width = dx!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "gatherRowsGradient",
          over: dx!,
          width: step,
          reads: { dy: [dy!, element], gathered: [gathered!, "u32"] },
          writes: { dx: [dx!, element] },
          main: wgsl`let place = gathered[row];
  var g = ${element}();
  if (place > 0u) { g = dy((place - 1u) * ${width / step}u + column); }
  setDx(index, g);`,
        }),
      ],
    };
  },
};

/**
 * f32 [rows, width]: the rows of `table` [table rows, width] whose numbers `rows` u32 [rows] lists. For a gradient each row is taken once, and
 * `gathered` u32 [table rows] holds 1 + its place in `rows`, or 0 where it was not taken.
 */
export function gatherRows(table: Operand, rows: Value, gathered?: Value): Value {
  return rows.tape.append(operation, [table, rows, ...(gathered ? [gathered] : [])], null)[0]!;
}
