/** The sum of a matrix over its rows: the gradient of a vector that was added to every row. */
import { columnReduction } from "./language/column-reduction.ts";
import { rowVectors } from "./language/kernel.ts";
import { expectType, f32, type Operation, type Value } from "./language/operation.ts";

const operation: Operation<{ tableRows: number | null }> = {
  name: "columnSum",
  writesOnce: true,
  infer([x], { tableRows }) {
    const [rows, width] = x!.shape;
    expectType("columnSum", "x", x!, "float", [rows ?? null, width ?? null]);
    return [tableRows === null ? f32(width!) : f32(tableRows, width!)];
  },
  lower({ inputs: [x], outputs: [y], attributes: { tableRows } }, capabilities) {
    const [rowCount, width] = x!.shape as [number, number];
    return columnReduction(capabilities, {
      label: "columnSum",
      rowCount,
      width,
      reads: { x: [x!, rowVectors(width).element] },
      terms: [{ expression: "x(index)", output: y!, zeroRows: (tableRows ?? 1) - 1 }],
    });
  },
};

/** f32 [width], the sum of `x` f32 [rows, width] over its rows; with `tableRows`, f32 [tableRows, width] with that sum in its first row and zeros below. */
export function columnSum(x: Value, tableRows: number | null = null): Value {
  return x.tape.append(operation, [x], { tableRows })[0]!;
}
