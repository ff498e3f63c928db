/** The loss and the gradients of a training step, to be compared with PyTorch's, or with those of a step that takes another way. */
import { expect } from "vitest";
import { elementCount } from "../../src/kernels/language/operation.ts";
import type { SimCseModel } from "../../src/simcse/model/model.ts";
import type { TrainingStep } from "../../src/simcse/training/step/training-step.ts";
import { relativeError } from "./golden.ts";

/** The gradients that a step left, by parameter; frozen ones have none. */
export async function readGradients({ store, device }: SimCseModel): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>();
  for (const [name, { parameter, offset, shape }] of store.pieces) {
    if (parameter.gradient === undefined) continue;
    const { buffer, offset: start } = parameter.gradient.window;
    gradients.set(name, new Float32Array(await device.read({ buffer, offset: start + offset * 4, size: elementCount(shape) * 4 })));
  }
  return gradients;
}

/** The gradients that a step left, by arena. */
export function arenaGradients({ store, device }: SimCseModel): Promise<Float32Array[]> {
  return Promise.all(store.layout.arenas.map(async ({ training }) => new Float32Array(await device.read(training!.gradient.window))));
}

/** Expects gradients that differ at most because chunks of a batch are added up in another order. */
export function expectSameGradients(found: readonly Float32Array[], wanted: readonly Float32Array[]): void {
  for (const [i, arena] of wanted.entries()) expect(relativeError(found[i]!, arena)).toBeLessThan(1e-5);
}

/**
 * Makes steps with `run` until the gradients of one do not overflow, as training does: a step that overflows halves the loss scale, and makes
 * no update. At a rate of 0 no other makes one either. The gradients are those of the loss itself, by parameter.
 */
export async function gradientsOf(
  model: SimCseModel,
  step: TrainingStep,
  run: (update: number) => void,
): Promise<{ readonly loss: number; readonly gradients: ReadonlyMap<string, Float32Array> }> {
  let update = 0;
  let scaling: Awaited<ReturnType<TrainingStep["scaling"]>>;
  do {
    update++;
    run(update);
    scaling = await step.scaling();
  } while (scaling.skipped_steps === update);
  const [metrics] = await step.metrics(update, update);
  const scaled = await readGradients(model);
  const gradients = new Map(Array.from(scaled, ([name, values]) => [name, values.map((value) => value / scaling.loss_scale)]));
  return { loss: metrics!.loss, gradients };
}
