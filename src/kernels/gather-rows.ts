/**
 * Rows of a table by their numbers: an embedding, minibatches of features that stay on the GPU, the masked tokens of a batch.
 *
 * If a row was taken several times, the backward pass sums its gradients in the order in which it was taken, without float atomics. A first
 * kernel links each place to the next one with the same number, and one thread follows the links from the first place. For each number,
 * this scans all numbers. If every row was taken at most once, the caller can pass where each row went, and nothing is searched.
 */
import { wgsl } from "../gpu/shader.ts";
import { nan, pointKernel, rows, rowVectors, zeroKernel } from "./language/kernel.ts";
import {
  expectFloat,
  expectKnown,
  expectType,
  f32,
  limitIndices,
  type Operand,
  type Operation,
  rowWidth,
  Scratch,
  type Type,
  type Value,
} from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

const operation: Operation<null> = {
  name: "gatherRows",
  infer([table, numbers, gathered]) {
    expectFloat("gatherRows", "table", table!);
    for (const dimension of table!.shape.slice(1)) expectKnown("gatherRows", "the width of table", dimension);
    expectType("gatherRows", "rows", numbers!, "u32", numbers!.shape);
    if (gathered) expectType("gatherRows", "gathered", gathered, "u32", [table!.shape[0]!]);
    return [f32(...numbers!.shape, ...table!.shape.slice(1))];
  },
  lower: ({ inputs: [table, numbers], outputs: [y] }) =>
    vectorLowering({
      label: "gatherRows",
      over: y!,
      run: rowWidth(table!.shape),
      reads: { table: table! },
      writes: { y: y! },
      tables: { numbers: [numbers!, "u32"] },
      main: (columns) => wgsl`let number = numbers[index / ${columns}u];
  var found = T(${nan("number")});
  if (number < ${rows(table!.shape[0]!)}) { found = table(number * ${columns}u + index % ${columns}u); }
  setY(index, found);`,
    }),
  gradient({ inputs: [table, numbers, gathered] }, [dy]) {
    if (!dy) return [null, null];
    const { dtype, shape } = table!;
    const type = { dtype: table!.persistent ? "f32" : dtype, shape } as const;
    if (!gathered) return [dy.tape.append(scatterOperation, [dy, numbers!], { type })[0]!, null];
    return [dy.tape.append(gradientOperation, [dy, gathered], { type })[0]!, null, null];
  },
};

/** The gradient if each row was taken at most once: every row of the table reads it from its place. */
const gradientOperation: Operation<{ type: Type }> = {
  name: "gatherRowsGradient",
  infer([, gathered], { type }) {
    expectType("gatherRowsGradient", "gathered", gathered!, "u32", [type.shape[0]!]);
    return [type];
  },
  lower: ({ inputs: [dy, gathered], outputs: [dx] }) =>
    vectorLowering({
      label: "gatherRowsGradient",
      over: dx!,
      reads: { dy: dy! },
      writes: { dx: dx! },
      tables: { gathered: [gathered!, "u32"] },
      main: (columns) => wgsl`let place = gathered[row];
  var g = T();
  if (place > 0u) { g = dy((place - 1u) * ${columns}u + column); }
  setDx(index, g);`,
    }),
};

/** The gradient if rows may have been taken several times. */
const scatterOperation: Operation<{ type: Type }> = {
  name: "addRows",
  infer: (_, { type }) => [type],
  lower({ inputs: [dy, numbers], outputs: [dx] }) {
    const { step, element, columns } = rowVectors(rowWidth(dx!.shape));
    const count = rows(numbers!.shape);
    // The next place with the same number, and whether this is the first.
    const links = new Scratch("u32", [...numbers!.shape, 2]);
    return {
      variant: "linked rows",
      scratch: [links],
      kernels: [
        pointKernel({
          label: "addRows links",
          over: numbers!,
          width: 1,
          reads: { numbers: [numbers!, "u32"] },
          writes: { links: [links, "vec2u"] },
          main: wgsl`let number = numbers[index];
  let count = ${count};
  var first = select(0u, 1u, number < ${rows(dx!.shape[0]!)});
  for (var i = 0u; i < index && first == 1u; i++) { if (numbers[i] == number) { first = 0u; } }
  var next = index + 1u;
  while (next < count && numbers[min(next, count - 1u)] != number) { next++; }
  links[index] = vec2u(next, first);`,
        }),
        zeroKernel("addRows zero", dx!),
        pointKernel({
          label: "addRows",
          over: dy!,
          width: step,
          reads: { dy: [dy!, element], numbers: [numbers!, "u32"], links: [links, "vec2u"] },
          writes: { dx: [dx!, element] },
          main: wgsl`let place = index / ${columns}u;
  let own = index % ${columns}u;
  let count = ${count};
  if (links[place].y == 0u) { return; }
  var sum = ${element}();
  for (var i = place; i < count; i = links[i].x) { sum += dy(i * ${columns}u + own); }
  setDx(numbers[place] * ${columns}u + own, sum);`,
        }),
      ],
    };
  },
};

/**
 * f32 [numbers…, width…]: the rows of `table` f32 or f16 [rows, width…] that `numbers` u32 of any shape lists; a row may be listed any
 * number of times. A number out of range is refused if the host gives it; if the device computed it, its row is NaN.
 *
 * If each row is taken at most once, `gathered` u32 [rows] may hold 1 + its place in `numbers` (0 if it was not taken). The gradient then
 * needs no search.
 */
export function gatherRows(table: Operand, numbers: Value, gathered?: Value): Value {
  limitIndices(numbers, { size: table.shape[0]!, of: "rows of the table" });
  return numbers.tape.append(operation, [table, numbers, ...(gathered ? [gathered] : [])], null)[0]!;
}
