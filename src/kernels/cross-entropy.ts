/**
 * Cross-entropy of each row's softmax against its own diagonal element: row i should choose column i, the InfoNCE loss of a batch.
 *
 *     loss[i] = log Σ_j exp(logits[i, j]) − logits[i, i];   dLogits[i, j] = (softmax(logits[i])[j] − [i = j]) · dLoss[i]
 */
import { wgsl } from "../gpu/shader.ts";
import { rows } from "./kernel.ts";
import { capacity, expectType, f32, type Operation, type Value } from "./operation.ts";
import { rowKernel, rowVariant } from "./row-kernel.ts";

const operation: Operation<null> = {
  name: "crossEntropy",
  infer([logits]) {
    expectType("crossEntropy", "logits", logits!, "f32", [logits!.shape[0]!, logits!.shape[1]!]);
    return [f32(logits!.shape[0]!), f32(logits!.shape[0]!)];
  },
  lower({ inputs: [logits], outputs: [loss, logSum] }, capabilities) {
    const [count, columns] = logits!.shape;
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "crossEntropy",
          rowCount: count!,
          reads: { logits: [logits!, "f32"] },
          writes: { loss: [loss!, "f32"], logSum: [logSum!, "f32"] },
          main: wgsl`let start = row * ${capacity(columns!)}u;
  let columns = ${rows(columns!)};
  var highest = -1e30;
  for (var c = firstColumn; c < columns; c += columnStride) { highest = max(highest, logits(start + c)); }
  let offset = largest(highest);
  var sum = 0.0;
  for (var c = firstColumn; c < columns; c += columnStride) { sum += exp(logits(start + c) - offset); }
  let whole = offset + log(total(sum));
  if (firstColumn == 0u) {
    setLogSum(row, whole);
    setLoss(row, whole - logits(start + row));
  }`,
        }),
      ],
    };
  },
  gradient: ({ inputs: [logits], outputs: [, logSum] }, [dLoss]) => [
    dLoss ? dLoss.tape.append(crossEntropyGradient, [dLoss, logits!, logSum!], null)[0]! : null,
  ],
};

const crossEntropyGradient: Operation<null> = {
  name: "crossEntropyGradient",
  infer: ([, logits]) => [logits!],
  lower({ inputs: [dLoss, logits, logSum], outputs: [dLogits] }, capabilities) {
    const [count, columns] = logits!.shape;
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "crossEntropyGradient",
          rowCount: count!,
          reads: { dLoss: [dLoss!, "f32"], logits: [logits!, "f32"], logSum: [logSum!, "f32"] },
          writes: { dLogits: [dLogits!, "f32"] },
          main: wgsl`let start = row * ${capacity(columns!)}u;
  for (var c = firstColumn; c < ${rows(columns!)}; c += columnStride) {
    let p = exp(logits(start + c) - logSum(row));
    setDLogits(start + c, (p - select(0.0, 1.0, c == row)) * dLoss(row));
  }`,
        }),
      ],
    };
  },
};

/** f32 [rows]: the loss of each row of `logits` f32 [rows, columns], columns ≥ rows. */
export function crossEntropy(logits: Value): Value {
  return logits.tape.append(operation, [logits], null)[0]!;
}
