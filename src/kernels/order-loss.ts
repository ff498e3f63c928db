/**
 * Measures how far a batch's similarities are from the order of its scores. Over all pairs (i, j) where i has the higher score:
 *
 *     loss = log(1 + Σ exp(x[j] − x[i]))
 *     dx[k] = dLoss · (Σ over i above k of p(i, k) − Σ over j below k of p(k, j)),   p(i, j) = exp(x[j] − x[i] − loss)
 *
 * This is CoSENT's loss (Su 2022) if x are scaled cosines. All exponents are relative to the largest. Sums run in f32 in a fixed order;
 * memory grows with n, not with the number of pairs. If an x is not finite, neither is the loss, which then ends a training.
 */
import { wgsl } from "../gpu/shader.ts";
import { rows } from "./language/kernel.ts";
import { expectType, f32, type Operation, Scratch, type Value } from "./language/operation.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";

/** Stands for the logarithm of an empty sum. */
const nothing = "-1e30";

const operation: Operation<null> = {
  name: "orderLoss",
  infer([x, scores]) {
    const [count] = x!.shape;
    expectType("orderLoss", "x", x!, "f32", [count!]);
    expectType("orderLoss", "scores", scores!, "f32", [count!]);
    return [f32(1)];
  },
  lower({ inputs: [x, scores], outputs: [loss] }, capabilities) {
    const [count] = x!.shape;
    const live = rows(count!);
    const logSums = new Scratch("f32", [count!]);
    return {
      variant: rowVariant(capabilities),
      scratch: [logSums],
      kernels: [
        rowKernel(capabilities, {
          label: "orderLossRows",
          rowCount: count!,
          reads: { x: [x!, "f32"], scores: [scores!, "f32"] },
          writes: { logSums: [logSums, "f32"] },
          main: wgsl`let own = x(row);
  let score = scores(row);
  var highest = ${nothing};
  for (var j = firstColumn; j < ${live}; j += columnStride) { if (scores(j) < score) { highest = max(highest, x(j) - own); } }
  let offset = largest(highest);
  var sum = 0.0;
  for (var j = firstColumn; j < ${live}; j += columnStride) { if (scores(j) < score) { sum += exp(x(j) - own - offset); } }
  let all = total(sum);
  if (firstColumn == 0u) {
    var logSum = ${nothing};
    if (all > 0.0) { logSum = offset + log(all); }
    // Some adapters lose NaN in max and in exp. Infinity passes both.
    let exponent = bitcast<u32>(own) & 0x7f800000u;
    if (exponent == 0x7f800000u) { logSum = bitcast<f32>(exponent); }
    setLogSums(row, logSum);
  }`,
        }),
        rowKernel(capabilities, {
          label: "orderLoss",
          rowCount: 1,
          reads: { logSums: [logSums, "f32"] },
          writes: { loss: [loss!, "f32"] },
          main: wgsl`var highest = 0.0;
  for (var i = firstColumn; i < ${live}; i += columnStride) { highest = max(highest, logSums(i)); }
  let offset = largest(highest);
  var sum = 0.0;
  for (var i = firstColumn; i < ${live}; i += columnStride) { sum += exp(logSums(i) - offset); }
  let all = total(sum) + exp(-offset);
  if (firstColumn == 0u) { setLoss(row, offset + log(all)); }`,
        }),
      ],
    };
  },
  gradient: ({ inputs: [x, scores], outputs: [loss] }, [dLoss]) => [
    dLoss ? dLoss.tape.append(orderLossGradient, [x!, scores!, loss!, dLoss], null)[0]! : null,
    null,
  ],
};

const orderLossGradient: Operation<null> = {
  name: "orderLossGradient",
  infer: ([x]) => [x!],
  lower({ inputs: [x, scores, loss, dLoss], outputs: [dx] }, capabilities) {
    const live = rows(x!.shape[0]!);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "orderLossGradient",
          rowCount: x!.shape[0]!,
          reads: { x: [x!, "f32"], scores: [scores!, "f32"], loss: [loss!, "f32"], dLoss: [dLoss!, "f32"] },
          writes: { dx: [dx!, "f32"] },
          main: wgsl`let own = x(row);
  let score = scores(row);
  let whole = loss(0);
  var sum = 0.0;
  for (var i = firstColumn; i < ${live}; i += columnStride) {
    let other = scores(i);
    if (other > score) { sum += exp(own - x(i) - whole); }
    if (other < score) { sum -= exp(x(i) - own - whole); }
  }
  let all = total(sum);
  if (firstColumn == 0u) { setDx(row, all * dLoss(0)); }`,
        }),
      ],
    };
  },
};

/**
 * f32 [1]: the loss of `x` f32 [n] for the order of `scores` f32 [n]; 0 if no two scores differ. `scores` have no gradient. Takes O(n²)
 * time.
 */
export function orderLoss(x: Value, scores: Value): Value {
  return x.tape.append(operation, [x, scores], null)[0]!;
}
